//! SRV: late and invalid request heads.

use super::*;

#[test]
fn late_and_invalid_heads_are_rejected() {
    let half = |done, outcome| {
        let half = timed("half", 0, done, outcome);
        judge("SRV-1:head", &started([half], &[]))
    };
    assert_eq!(half(1000, Outcome::Lost), Some(true));
    assert_eq!(half(1000, response(408, &[], "")), Some(true));
    assert_eq!(half(3000, Outcome::Lost), Some(true));
    assert_eq!(half(3001, Outcome::Lost), Some(false));
    assert_eq!(half(1000, Outcome::Late), Some(false));
    assert_eq!(
        judge_response("SRV-3:host", "host", response(400, &[], "")),
        Some(true)
    );
    assert_eq!(
        judge_response("SRV-3:host", "host", response(200, &[], "")),
        Some(false)
    );
}
