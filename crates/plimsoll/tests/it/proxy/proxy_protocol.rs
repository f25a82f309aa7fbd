//! The PROXY protocol.

use harness::Process;

use crate::support::{fixture, ms, run, start};

/// Starts a service whose loopback peers must send a PROXY header.
fn behind_a_proxy() -> Process {
    Process::spawn(
        fixture(),
        &[
            ("PROXY_PROTOCOL", "on"),
            ("TRUSTED_PROXIES", "127.0.0.1"),
            ("READ_TIMEOUT", "500ms"),
        ],
    )
}

/// Waits for the ready record, since a scrape would need a header too.
fn ready(service: &Process) {
    service.wait_for_record(|record| record["message"] == "infra_app_ready");
}

/// IP-4, CLI-2
#[test]
fn proxy_header_contains_the_client_address() {
    let service = behind_a_proxy();
    ready(&service);
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend([198, 51, 100, 7, 10, 0, 0, 1, 0x10, 0, 0, 80]);
    for (header, client) in [
        (
            b"PROXY TCP4 203.0.113.9 10.0.0.1 5000 80\r\n".to_vec(),
            "203.0.113.9\n",
        ),
        (
            b"PROXY TCP6 2001:db8::7 ::1 5000 80\r\n".to_vec(),
            "2001:db8::7\n",
        ),
        (v2, "198.51.100.7\n"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1\n"),
    ] {
        let mut connection = service.connect();
        // Header and request in one write, then a second request on the same connection.
        let request = b"GET /client HTTP/1.1\r\nHost: localhost\r\n\r\n";
        connection.send([&header[..], request].concat());
        assert_eq!(connection.read().text().trim_end(), client.trim_end());
        connection.send(request);
        assert_eq!(connection.read().text().trim_end(), client.trim_end());
    }
    let record = service.wait_for_record(|record| record["ip"] == "198.51.100.7");
    assert_eq!(record["path"], "/client");
    let check = std::process::Command::new(fixture())
        .arg("healthcheck")
        .env_clear()
        .envs([
            ("HOST", "127.0.0.1"),
            ("PROXY_PROTOCOL", "on"),
            ("TRUSTED_PROXIES", "127.0.0.1"),
        ])
        .env("PORT", service.addr().port().to_string())
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
}

/// IP-2, IP-4
#[test]
fn forwarded_headers_need_a_trusted_source_in_proxy_header() {
    let service = behind_a_proxy();
    ready(&service);
    // The peer of the socket is trusted in both cases.
    for (source, client) in [
        ("203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1"),
    ] {
        let mut connection = service.connect();
        connection.send(
            format!(
                "PROXY TCP4 {source} 10.0.0.1 5000 80\r\n\
                 GET /client HTTP/1.1\r\nHost: localhost\r\n\
                 X-Forwarded-For: 198.51.100.1\r\n\r\n"
            )
            .as_bytes(),
        );
        assert_eq!(connection.read().text().trim_end(), client);
    }
}

/// IP-4
#[test]
fn trusted_peer_without_proxy_header_is_closed_and_counted() {
    let service = behind_a_proxy();
    ready(&service);
    for bad in [
        "GET /client HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "PROXY TCP4 x y 1 2\r\n",
    ] {
        let mut connection = service.connect();
        connection.send(bad);
        assert_eq!(connection.read_to_end(), b"", "{bad}");
    }
    let mut silent = service.connect();
    assert!(
        silent.ends_within(ms(3000)),
        "READ_TIMEOUT counts for the header too"
    );
    let mut scrape = service.connect();
    scrape.send("PROXY UNKNOWN\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = scrape.read();
    let metrics = harness::Scrape::parse(answer.text()).unwrap();
    let kind = [("kind", "proxy_header")];
    assert_eq!(
        metrics.value("http_protocol_errors_total", &kind),
        Some(2.0)
    );
}

/// IP-4
#[test]
fn untrusted_peer_cannot_send_a_proxy_header() {
    let service = start(&[("PROXY_PROTOCOL", "on"), ("TRUSTED_PROXIES", "10.0.0.0/8")]);
    assert_eq!(service.get("/client").text(), "127.0.0.1");
    let mut forged = service.connect();
    forged.send("PROXY TCP4 203.0.113.9 10.0.0.1 5000 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(forged.read().status, 400);
    assert!(forged.ends_within(ms(3000)));
}

/// IP-4, CFG-3
#[test]
fn proxy_protocol_without_trusted_peers_is_a_start_error() {
    let ended = run(&[], &[("PROXY_PROTOCOL", "on")]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("PROXY_PROTOCOL"), "{}", ended.stderr);
}
