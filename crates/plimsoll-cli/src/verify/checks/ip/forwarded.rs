//! IP-3: the header `Forwarded`, and headers that are not the configured one.

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        probe::{Observation, Probe},
        scenario::{FORWARDED, PROXIED},
        subject::Subject,
    },
    wire::Exchange,
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &PROXIED,
        observation: Observation::Session(|subject| Box::pin(similar_names(subject))),
        checks: &[("IP-3:similar", |evidence| ignored(evidence, "similar"))],
    },
    Probe {
        scenario: &FORWARDED,
        observation: Observation::Session(|subject| Box::pin(elements(subject))),
        checks: &[
            ("IP-3:forwarded", forwarded),
            ("IP-3:only", |evidence| ignored(evidence, "other")),
        ],
    },
];

/// The client in all headers that must not be read.
const FORGED: &str = "198.51.100.1";

/// Values of `Forwarded`, and the client that they name. RFC 7239 has each form.
const FORMS: [(&str, &str); 6] = [
    ("for=203.0.113.7", "203.0.113.7"),
    ("For=\"203.0.113.7:4711\";proto=https", "203.0.113.7"),
    ("for=\"[2001:db8::7]:4711\"", "2001:db8::7"),
    ("for=198.51.100.1, for=203.0.113.7", "203.0.113.7"),
    (
        "for=198.51.100.1, for=203.0.113.7;by=10.1.2.3, for=10.1.2.3",
        "203.0.113.7",
    ),
    ("for=203.0.113.7, for=unknown, for=10.1.2.3", "10.1.2.3"),
];

async fn elements(subject: &mut Subject<'_>) {
    for (value, _) in FORMS {
        let header = format!("Forwarded: {value}");
        subject
            .get_marked("forwarded", "/?plimsoll={nonce}", &[&header])
            .await;
    }
    let other = format!("X-Forwarded-For: {FORGED}");
    subject
        .get_marked("other", "/?plimsoll={nonce}", &[&other])
        .await;
    subject.settle().await;
}

async fn similar_names(subject: &mut Subject<'_>) {
    let similar = format!("X_Forwarded_For: {FORGED}");
    subject
        .get_marked("similar", "/?plimsoll={nonce}", &[&similar])
        .await;
    subject.settle().await;
}

fn forwarded(evidence: &Evidence) -> Judgement {
    let mut wrong = None;
    let mut is_offered = false;
    for (exchange, (_, client)) in evidence.exchanges("forwarded").zip(FORMS) {
        let ip = logged(evidence, exchange)?;
        match ip.as_deref() == Some(client) {
            true => is_offered = true,
            false => {
                wrong.get_or_insert((exchange, ip, client));
            }
        }
    }
    match wrong {
        None => Ok(()),
        Some((exchange, ip, client)) if is_offered => {
            let received = format!("ip {}", ip.unwrap_or_default());
            Err(Finding::exchange(exchange, received, format!("ip {client}")).into())
        }
        Some(_) => {
            let reason = "FORWARDED_HEADER=forwarded not offered: no element is in a record";
            Err(Fault::not_proven(reason))
        }
    }
}

fn ignored(evidence: &Evidence, name: &str) -> Judgement {
    let exchange = evidence.exchange(name)?;
    // Some servers reject such a name, which is safe as well.
    if exchange.status() == Some(400) {
        return Ok(());
    }
    let ip = logged(evidence, exchange)?;
    require(ip.as_deref() != Some(FORGED), || {
        Finding::exchange(exchange, format!("ip {FORGED}"), "ip 127.0.0.1")
    })
}

/// Returns the address in the access record of a request.
fn logged(evidence: &Evidence, exchange: &Exchange) -> Result<Option<String>, Fault> {
    let records = evidence.access_records(exchange)?;
    let record = records.first().ok_or_else(|| {
        let received = "no access record".to_owned();
        Finding::exchange(exchange, received, "an access record")
    })?;
    Ok(record.text("ip").map(str::to_owned))
}
