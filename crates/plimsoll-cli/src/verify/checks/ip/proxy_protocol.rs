//! IP-4: the client in a header of the PROXY protocol.

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        probe::{Observation, Probe},
        scenario::{BALANCED, PROXY_HEADER},
        subject::{Subject, request},
    },
    wire::Exchange,
};

pub(super) const PROBES: &[Probe] = &[Probe {
    scenario: &BALANCED,
    observation: Observation::Session(|subject| Box::pin(headers(subject))),
    checks: &[
        ("IP-4:v1", |evidence| named(evidence, "version 1")),
        ("IP-4:v2", |evidence| named(evidence, "version 2")),
    ],
}];

/// The client in the headers.
const CLIENT: &str = "203.0.113.7";

/// The same as [`PROXY_HEADER`]: signature, version 2 with command PROXY, TCP over IPv4, 12 bytes of addresses.
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x7f\0\0\x01\x12\x67\0\x50";

async fn headers(subject: &mut Subject<'_>) {
    for (name, header) in [("version 1", PROXY_HEADER), ("version 2", BINARY)] {
        let nonce = subject.nonce();
        let id = format!("X-Request-ID: {nonce}");
        let request = request("GET", &format!("/?plimsoll={nonce}"), &[&id]);
        subject.send(name, nonce, [header, &request].concat()).await;
    }
    // The marker of `settle` has no header, so it would be rejected.
    let nonce = subject.nonce();
    let marker = request("GET", &format!("/.plimsoll/{nonce}"), &[]);
    subject
        .settle_with([PROXY_HEADER, &marker].concat(), nonce)
        .await;
}

fn named(evidence: &Evidence, name: &str) -> Judgement {
    let is_answered = |exchange: &Exchange| exchange.status().is_some_and(|status| status != 400);
    let exchange = evidence.exchange(name)?;
    let sent = format!("a header of the PROXY protocol, {name}, and GET /");
    if !is_answered(exchange) {
        let mut all = ["version 1", "version 2"].into_iter();
        if all.any(|name| evidence.exchanges(name).any(is_answered)) {
            let finding = Finding::response(exchange, "a response");
            return Err(Finding::new(sent, finding.received, finding.expected).into());
        }
        let reason = "PROXY protocol not offered: no request with its header is answered";
        return Err(Fault::not_proven(reason));
    }
    let records = evidence.access_records(exchange)?;
    let ip = records.first().and_then(|record| record.text("ip"));
    require(ip == Some(CLIENT), || {
        let received = match ip {
            Some(ip) => format!("ip {ip}"),
            None => "no access record with ip".to_owned(),
        };
        Finding::new(sent, received, format!("ip {CLIENT}"))
    })
}
