//! Proxies: the client's address, the origin, and the PROXY protocol.

mod client_address;
mod origin;
mod proxy_protocol;
mod unix_peers;

use harness::{Process, request};

/// Returns the client address that the service sees for a peer at 127.0.0.1. The access record must
/// contain the same.
#[track_caller]
fn client(service: &Process, headers: &str) -> String {
    let marker = service.records_with("http_request").len().to_string();
    let target = format!("/client?{marker}");
    let answer = service.request(request("GET", &target, headers));
    assert_eq!(answer.status, 200);
    let ip = answer.text().trim_end().to_owned();
    let record = service.wait_for_record(|record| {
        record["message"] == "http_request" && record["query"] == marker.as_str()
    });
    assert_eq!(
        record["ip"],
        ip.as_str(),
        "the handler and the record know the same address"
    );
    ip
}
