//! IP: the client's address.

use crate::support::{access_record, request, start};

const FORWARDED: &str = "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n";

/// IP-1
#[test]
fn by_default_the_peer_is_the_client() {
    let service = start(&[]);
    drop(service.request(request("GET", "/info", FORWARDED)));
    assert_eq!(access_record(&service, "/info")["ip"], "127.0.0.1");
}

/// IP-2
#[test]
fn behind_a_trusted_proxy_the_client_is_what_the_proxy_saw() {
    let service = start(&[("TRUSTED_PROXIES", "127.0.0.0/8")]);
    drop(service.request(request("GET", "/info", FORWARDED)));
    assert_eq!(access_record(&service, "/info")["ip"], "203.0.113.7");
}
