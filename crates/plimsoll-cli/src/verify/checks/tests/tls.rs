//! TLS: handshakes, renewed files and failures.

use super::*;
use crate::verify::handshake::{Agreed, Handshake};

/// A handshake after which a request was answered.
fn handshake(name: &'static str, protocol: &str, certificate: &'static str) -> Handshake {
    Handshake {
        name,
        result: Ok(Agreed {
            protocol: Some(protocol.to_owned()),
            certificate,
            asks_for_certificate: true,
            outcome: (protocol != "h2").then(|| response(200, &[], "")),
        }),
    }
}

fn failed(name: &'static str) -> Handshake {
    Handshake {
        name,
        result: Err("alert".to_owned()),
    }
}

fn judge_handshakes(
    id: &str,
    handshakes: impl Into<Vec<Handshake>>,
    exchanges: Vec<Exchange>,
    lines: &[&str],
) -> Option<bool> {
    let evidence = Evidence {
        handshakes: handshakes.into(),
        certificate_end: Some(1_800_000_000),
        ..started(exchanges, lines)
    };
    judge(id, &evidence)
}

#[test]
fn two_versions_are_served_and_older_ones_rejected() {
    let served = |name| handshake(name, "http/1.1", "first");
    let versions = |handshakes: [Handshake; 2], plain| {
        let plain = vec![exchange("plain", plain)];
        judge_handshakes("TLS-1:versions", handshakes, plain, &[])
    };
    let both = ["TLS 1.3", "TLS 1.2"];
    assert_eq!(versions(both.map(served), Outcome::Lost), Some(true));
    assert_eq!(
        versions([served("TLS 1.3"), failed("TLS 1.2")], Outcome::Lost),
        Some(false)
    );
    assert_eq!(versions(both.map(failed), Outcome::Lost), Some(false));
    assert_eq!(versions(both.map(failed), response(200, &[], "")), None);
    let old = |received: &[u8]| {
        let outcome = Outcome::Broken {
            received: received.to_vec(),
            fault: String::new(),
        };
        judge_response("TLS-1:old", "old", outcome)
    };
    assert_eq!(old(&[21, 3, 2]), Some(true));
    assert_eq!(
        judge_response("TLS-1:old", "old", Outcome::Lost),
        Some(true)
    );
    assert_eq!(old(&[22, 3, 2]), Some(false));
}

#[test]
fn protocol_is_negotiated() {
    let preferred = |both: Handshake, h2: Handshake| {
        let none = handshake("none", "http/1.1", "first");
        judge_handshakes("TLS-2:preferred", [none, both, h2], Vec::new(), &[])
    };
    let h2 = || handshake("h2", "h2", "first");
    assert_eq!(
        preferred(handshake("both", "h2", "first"), h2()),
        Some(true)
    );
    assert_eq!(
        preferred(handshake("both", "http/1.1", "first"), h2()),
        Some(false)
    );
    assert_eq!(
        preferred(handshake("both", "http/1.1", "first"), failed("h2")),
        None
    );
    let other = |handshake| judge_handshakes("TLS-2:other", [handshake], Vec::new(), &[]);
    assert_eq!(other(failed("other")), Some(true));
    assert_eq!(other(handshake("other", "http/1.1", "first")), Some(false));
}

#[test]
fn clients_need_valid_certificates() {
    let clients = |known: Handshake, others: [Handshake; 3]| {
        let all: Vec<Handshake> = [known].into_iter().chain(others).collect();
        judge_handshakes("TLS-3:clients", all, Vec::new(), &[])
    };
    let names = [
        "no certificate",
        "a certificate of another authority",
        "an expired certificate",
    ];
    let known = || handshake("a valid certificate", "http/1.1", "first");
    assert_eq!(clients(known(), names.map(failed)), Some(true));
    assert_eq!(
        clients(failed("a valid certificate"), names.map(failed)),
        Some(false)
    );
    let served = names.map(|name| handshake(name, "http/1.1", "first"));
    assert_eq!(clients(known(), served.clone()), Some(false));
    let mut unasked = known();
    if let Ok(agreed) = &mut unasked.result {
        agreed.asks_for_certificate = false;
    }
    assert_eq!(clients(unasked, served), None);
}

#[test]
fn renewed_files_are_served() {
    let line = r#"{"message":"tls_reloaded"}"#;
    let renewed = |last: Handshake, lines: &[&str]| {
        let link = handshake("link", "http/1.1", "second");
        judge_handshakes("TLS-4:renewed", [link, last], Vec::new(), lines)
    };
    assert_eq!(
        renewed(handshake("SIGHUP", "http/1.1", "third"), &[line]),
        Some(true)
    );
    assert_eq!(
        renewed(handshake("SIGHUP", "http/1.1", "third"), &[]),
        Some(false)
    );
    assert_eq!(
        renewed(handshake("SIGHUP", "http/1.1", "second"), &[line]),
        Some(false)
    );
    assert_eq!(renewed(failed("SIGHUP"), &[line]), Some(false));
    let open = |last| {
        let opened = exchange("open", response(200, &[], ""));
        let exchanges = vec![opened, exchange("open", last)];
        judge_handshakes("TLS-4:open", [], exchanges, &[])
    };
    assert_eq!(open(response(200, &[], "")), Some(true));
    assert_eq!(open(Outcome::Lost), Some(false));
    assert_eq!(open(response(200, &[("connection", "close")], "")), None);
}

#[test]
fn broken_files_are_reported_and_change_nothing() {
    let kept = |handshake| judge_handshakes("TLS-5:kept", [handshake], Vec::new(), &[]);
    assert_eq!(kept(handshake("broken", "http/1.1", "third")), Some(true));
    assert_eq!(kept(failed("broken")), Some(false));
    let record = |level: &str| {
        let line = format!(r#"{{"levelname":"{level}","message":"tls_reload_failed"}}"#);
        judge("TLS-5:record", &started([], &[&line]))
    };
    assert_eq!(record("ERROR"), Some(true));
    assert_eq!(record("INFO"), Some(false));
    assert_eq!(judge("TLS-5:record", &started([], &[])), Some(false));
    let text = |text: &str| response(200, &[("content-type", "text/plain")], text);
    let counter = |value| judge_response("TLS-5:counter", "failures", text(value));
    assert_eq!(counter("tls_reload_failures_total 1\n"), Some(true));
    assert_eq!(counter("tls_reload_failures_total 0\n"), Some(false));
}

#[test]
fn end_of_the_certificate_is_known() {
    let end = |value: &str| {
        let text = format!("tls_certificate_not_after_seconds {value}\n");
        let outcome = response(200, &[("content-type", "text/plain")], &text);
        judge_handshakes("TLS-6:end", [], vec![exchange("before", outcome)], &[])
    };
    assert_eq!(end("1800000000"), Some(true));
    assert_eq!(end("1800000002"), Some(false));
    let soon = r#"{"levelname":"WARNING","message":"tls_certificate_expires_soon"}"#;
    assert_eq!(judge("TLS-6:soon", &started([], &[soon])), Some(true));
    assert_eq!(judge("TLS-6:soon", &started([], &[])), Some(false));
}

#[test]
fn failed_handshakes_are_closed_and_counted() {
    let plain = |outcome| judge_response("TLS-7:plain", "plain", outcome);
    assert_eq!(plain(Outcome::Lost), Some(true));
    assert_eq!(plain(response(400, &[], "")), Some(false));
    let counted = |after: u32| {
        let scrape = |count: u32| {
            let text = format!("http_protocol_errors_total{{kind=\"tls_handshake\"}} {count}\n");
            response(200, &[("content-type", "text/plain")], &text)
        };
        let exchanges = [
            exchange("before", scrape(1)),
            exchange("after", scrape(after)),
        ];
        judge("TLS-7:counted", &started(exchanges, &[]))
    };
    assert_eq!(counted(2), Some(true));
    assert_eq!(counted(1), Some(false));
    let beside = |handshake| judge_handshakes("TLS-7:stalled", [handshake], Vec::new(), &[]);
    assert_eq!(beside(handshake("beside", "http/1.1", "first")), Some(true));
    assert_eq!(beside(failed("beside")), Some(false));
    let unopened = Evidence {
        unopened: 1,
        handshakes: vec![failed("beside")],
        ..started([], &[])
    };
    assert_eq!(judge("TLS-7:stalled", &unopened), None);
}

#[test]
fn settings_that_cannot_be_served_end_the_start() {
    let start = |id: &str, start| {
        let evidence = Evidence {
            start: Some(start),
            ..Evidence::default()
        };
        judge(id, &evidence)
    };
    for id in ["TLS-1:pair", "TLS-1:unusable"] {
        assert_eq!(start(id, Start::Ended(ended(Some(78)))), Some(true));
        assert_eq!(start(id, Start::Ready(Duration::ZERO)), Some(false));
        let silent = Start::Silent {
            listens_on: vec![1],
        };
        assert_eq!(start(id, silent), None);
    }
}
