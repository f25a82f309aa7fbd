//! Requests over TLS: scheme, protocols and clients without TLS.

use std::io::{Read as _, Write as _};

use harness::eventually;

use super::{Identity, get, handshake};
use crate::http2::client::PREFACE_AND_SETTINGS;
use crate::support::{ms, run, start};

/// IP-5
#[test]
fn scheme_of_a_tls_connection_is_https() {
    let identity = Identity::new("scheme");
    let service = identity.service(&[]);
    let answer = get(&service, &identity.der, "/origin").unwrap();
    assert!(answer.ends_with("\r\n\r\nhttps://localhost"), "{answer}");
    let service = identity.service(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    let answer = get(&service, &identity.der, "/origin").unwrap();
    assert!(answer.ends_with("\r\n\r\nhttps://localhost"), "{answer}");
    identity.remove();
}

/// CLI-2, TLS-1, TLS-6, MET-6
#[test]
fn requests_are_answered_and_the_expiry_is_a_metric() {
    let identity = Identity::new("answered");
    let service = identity.service(&[]);
    let answer = get(&service, &identity.der, "/hello").unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello\n"),
        "{answer}"
    );
    let metrics = get(&service, &identity.der, "/metrics").unwrap();
    assert!(
        metrics.contains("\ntls_certificate_not_after_seconds "),
        "{metrics}"
    );
    let large = get(&service, &identity.der, "/big").unwrap();
    assert!(
        large.len() > 32 << 20,
        "what is larger than any buffer comes whole"
    );
    let check = identity.healthcheck(service.addr(), &[]);
    assert!(check.status.success(), "{check:?}");
    assert_eq!(service.terminate().code, Some(0));
    identity.remove();
}

/// TLS-7
#[test]
fn plain_and_silent_clients_are_closed_and_counted() {
    let identity = Identity::new("plain");
    let service = identity.service(&[("READ_TIMEOUT", "300ms")]);
    let mut plain = service.connect();
    plain.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    plain.read_to_end();
    let mut silent = service.connect();
    assert!(silent.ends_within(ms(3000)));
    eventually("both are counted", || {
        let metrics = get(&service, &identity.der, "/metrics").ok()?;
        metrics
            .contains("http_protocol_errors_total{kind=\"tls_handshake\"} 2\n")
            .then_some(())
    });
    identity.remove();
}

/// LOG-13: health checks of load balancers do this.
#[test]
fn connect_and_close_is_no_failed_handshake() {
    let identity = Identity::new("checked");
    let service = identity.service(&[]);
    for _ in 0..5 {
        let mut check = service.connect();
        check.finish_sending();
        check.read_to_end();
        service.connect().reset();
    }
    // One failed handshake after all that do not count.
    let mut plain = service.connect();
    plain.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    plain.read_to_end();
    eventually("the connections are over, and one is counted", || {
        let metrics = get(&service, &identity.der, "/metrics").ok()?;
        let is_over = metrics.contains("http_connections_open 1\n");
        let count = metrics
            .lines()
            .find(|line| line.starts_with("http_protocol_errors_total{kind=\"tls_handshake\"}"))?;
        (is_over && count.ends_with(" 1")).then_some(())
    });
    identity.remove();
}

/// TLS-2, H2-1
#[test]
fn alpn_decides_the_protocol() {
    let identity = Identity::new("alpn");
    let service = identity.service(&[]);
    for (offered, agreed) in [
        (&["h2"][..], Some("h2")),
        (&["h2", "http/1.1"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&["spdy/3", "http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let mut stream = handshake(&service, &identity.der, offered).unwrap();
        let spoken = stream.conn.alpn_protocol();
        assert_eq!(spoken, agreed.map(str::as_bytes), "{offered:?}");
        let mut said = [0; 15];
        if agreed == Some("h2") {
            stream.write_all(PREFACE_AND_SETTINGS).unwrap();
            stream.read_exact(&mut said[..9]).unwrap();
            assert_eq!(said[3], 4, "SETTINGS come first");
        } else {
            // Also for clients that send the HTTP/2 preface: ALPN alone decides.
            stream
                .write_all(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .unwrap();
            stream.read_exact(&mut said).unwrap();
            assert_eq!(&said, b"HTTP/1.1 200 OK");
        }
    }
    let mut guessed = handshake(&service, &identity.der, &["http/1.1"]).unwrap();
    guessed.write_all(PREFACE_AND_SETTINGS).unwrap();
    let mut said = Vec::new();
    // The kind of end does not matter.
    let _ = guessed.read_to_end(&mut said);
    assert!(
        said.is_empty() || said.starts_with(b"HTTP/1.1 4"),
        "{said:?}"
    );
    let unknown = handshake(&service, &identity.der, &["spdy/3"]).unwrap_err();
    assert!(
        unknown.to_string().contains("NoApplicationProtocol"),
        "{unknown}"
    );
    eventually("it is counted", || {
        let metrics = get(&service, &identity.der, "/metrics").ok()?;
        metrics
            .contains("http_protocol_errors_total{kind=\"tls_handshake\"} 1\n")
            .then_some(())
    });
    identity.remove();
}

/// TLS-7
#[test]
fn tls_on_a_plain_listener_is_rejected_and_counted() {
    for cleartext in ["false", "true"] {
        let service = start(&[("HTTP2_CLEARTEXT", cleartext)]);
        let identity = Identity::new(&format!("reverse-{cleartext}"));
        handshake(&service, &identity.der, &["h2", "http/1.1"]).unwrap_err();
        eventually("it is counted", || {
            let metrics = service.metrics();
            (metrics.sum("http_protocol_errors_total", &[]) == 1.0).then_some(())
        });
        assert_eq!(service.get("/hello").status, 200);
        identity.remove();
    }
}

/// CLI-2, TLS-3
#[test]
fn healthcheck_needs_no_client_certificate() {
    let identity = Identity::new("mutual");
    let authority = ("TLS_CLIENT_CA_FILE", identity.certificate.as_str());
    let service = identity.service(&[authority]);
    assert!(get(&service, &identity.der, "/hello").is_err());
    let addr = service.addr();
    let check = identity.healthcheck(addr, &[authority]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert_eq!(service.terminate().code, Some(0));
    let check = identity.healthcheck(addr, &[authority]);
    assert_eq!(check.status.code(), Some(1), "{check:?}");
    identity.remove();
}

/// CLI-3, TLS-1
#[test]
fn invalid_certificate_files_fail_the_start() {
    let identity = Identity::new("missing");
    let env = [
        ("TLS_CERT_FILE", identity.key.as_str()),
        ("TLS_KEY_FILE", identity.key.as_str()),
    ];
    let ended = run(&[], &env);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&identity.key), "{}", ended.stderr);
    let alone = run(&[], &[("TLS_CERT_FILE", "/a.crt")]);
    assert_eq!(alone.code, Some(78), "{}", alone.stderr);
    identity.remove();
}
