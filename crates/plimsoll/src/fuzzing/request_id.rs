//! Checks which request ids are accepted (contract RID-2).

use http::{HeaderMap, HeaderValue};

use crate::edge::request_id;

const ALLOWED: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:/+=";

/// Sends each line of `bytes` as an `X-Request-ID`, all in one request.
///
/// # Panics
///
/// If an id is accepted or replaced contrary to the contract, or if a new one has another form.
pub(super) fn check(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut sent = Vec::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("X-Request-ID", value);
            sent.push(line);
        }
    }
    let acceptable = match sent.as_slice() {
        [one] => str::from_utf8(one)
            .ok()
            .filter(|id| id.chars().all(|char| ALLOWED.contains(char)))
            .filter(|id| (1..=128).contains(&id.len())),
        _ => None,
    };
    let assigned = request_id::assign(&mut headers);
    let id = assigned.id.as_str();
    match acceptable {
        Some(expected) => assert_eq!((id, assigned.replaced), (expected, false)),
        None => {
            assert_eq!(
                assigned.replaced,
                !sent.is_empty(),
                "whether it was replaced"
            );
            let is_digit = |char| "0123456789abcdef".contains(char);
            assert!(
                id.len() == 32 && id.chars().all(is_digit),
                "{id:?} is generated"
            );
        }
    }
    assert_eq!(assigned.id.header().as_bytes(), id.as_bytes());
}
