//! IP: client address resolution.

use harness::{access_record, request};

use crate::support::start;

const FORWARDED: &str = "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n";

/// IP-1
#[test]
fn client_address_defaults_to_the_peer() {
    let service = start(&[]);
    drop(service.request(request("GET", "/info", FORWARDED)));
    assert_eq!(access_record(&service, "/info")["ip"], "127.0.0.1");
}

/// IP-2
#[test]
fn trusted_proxy_sets_the_client_address() {
    let service = start(&[("TRUSTED_PROXIES", "127.0.0.0/8")]);
    drop(service.request(request("GET", "/info", FORWARDED)));
    assert_eq!(access_record(&service, "/info")["ip"], "203.0.113.7");
}
