//! IP: clients behind proxies and balancers.

use super::*;
use crate::verify::routes::{Route, Routes};

/// Evidence of one request, with its access record.
fn logged(name: &'static str, ip: &str) -> (Exchange, String) {
    let line =
        format!(r#"{{"message":"http_request","request_id":"nonce-of-{name}","ip":"{ip}"}}"#);
    (exchange(name, response(200, &[], "")), line)
}

#[test]
fn only_the_configured_header_names_the_client() {
    let judge_ip = |id: &str, name, ip: &str| {
        let (exchange, line) = logged(name, ip);
        judge(id, &started([exchange], &[&line]))
    };
    assert_eq!(
        judge_ip("IP-3:forwarded", "forwarded", "203.0.113.7"),
        Some(true)
    );
    // A service that does not read the header, and one that takes another element.
    assert_eq!(judge_ip("IP-3:forwarded", "forwarded", "127.0.0.1"), None);
    let [first, second] = ["203.0.113.7", "198.51.100.1"].map(|ip| logged("forwarded", ip));
    let second = (
        Exchange {
            nonce: "other".to_owned(),
            ..second.0
        },
        second.1.replace("nonce-of-forwarded", "other"),
    );
    let both = started([first.0, second.0], &[&first.1, &second.1]);
    assert_eq!(judge("IP-3:forwarded", &both), Some(false));
    for (id, name) in [("IP-3:only", "other"), ("IP-3:similar", "similar")] {
        assert_eq!(judge_ip(id, name, "127.0.0.1"), Some(true), "{id}");
        assert_eq!(judge_ip(id, name, "198.51.100.1"), Some(false), "{id}");
    }
}

#[test]
fn header_of_a_balancer_names_the_client() {
    let judge_ip = |status, ip: &str| {
        let (mut v1, line) = logged("version 1", ip);
        v1.outcome = response(status, &[], "");
        let v2 = exchange("version 2", response(200, &[], ""));
        judge("IP-4:v1", &started([v1, v2], &[&line]))
    };
    assert_eq!(judge_ip(200, "203.0.113.7"), Some(true));
    assert_eq!(judge_ip(200, "127.0.0.1"), Some(false));
    // The other version is accepted.
    assert_eq!(judge_ip(400, "127.0.0.1"), Some(false));
    let refused = ["version 1", "version 2"].map(|name| exchange(name, Outcome::Lost));
    assert_eq!(judge("IP-4:v2", &started(refused, &[])), None);
}

#[test]
fn origin_is_that_of_a_trusted_proxy_alone() {
    let judge_body = |id: &str, name, status, body: &str| {
        let outcome = response(status, &[], body);
        let evidence = Evidence {
            routes: Routes::with(Route::Origin, "/origin"),
            ..started([exchange(name, outcome)], &[])
        };
        judge(id, &evidence)
    };
    let (shop, own) = ("https://shop.example", "http://localhost");
    assert_eq!(judge_body("IP-5:trusted", "trusted", 200, shop), Some(true));
    assert_eq!(judge_body("IP-5:trusted", "trusted", 200, own), Some(false));
    assert_eq!(
        judge_body("IP-5:untrusted", "untrusted", 200, own),
        Some(true)
    );
    assert_eq!(
        judge_body("IP-5:untrusted", "untrusted", 200, shop),
        Some(false)
    );
    assert_eq!(
        judge_body("IP-5:different", "different", 400, ""),
        Some(true)
    );
    assert_eq!(
        judge_body("IP-5:different", "different", 200, own),
        Some(false)
    );
    let missing = started([exchange("trusted", response(200, &[], shop))], &[]);
    assert_eq!(judge("IP-5:trusted", &missing), None);
}
