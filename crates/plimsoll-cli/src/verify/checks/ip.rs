//! IP: the client's address behind trusted proxies. IP-1 is judged in `log.rs`.

mod forwarded;
mod origin;
mod proxy_protocol;

use crate::verify::{
    evidence::Evidence,
    judgement::{Finding, Judgement, require},
    probe::{Observation, Probe},
    scenario::PROXIED,
    subject::Subject,
};

/// The probes of each part.
pub(super) const ALL: [&[Probe]; 4] = [
    PROBES,
    forwarded::PROBES,
    proxy_protocol::PROBES,
    origin::PROBES,
];

const PROBES: &[Probe] = &[Probe {
    scenario: &PROXIED,
    observation: Observation::Session(|subject| Box::pin(chains(subject))),
    checks: &[
        ("IP-2:client", |evidence| {
            judge(evidence, "client", &[CLIENT])
        }),
        ("IP-2:chain", |evidence| judge(evidence, "chain", &CHAINS)),
    ],
}];

/// Lines of `X-Forwarded-For`, and the client that they name.
type Chain = (&'static [&'static str], &'static str);

const CLIENT: Chain = (&["203.0.113.7"], "203.0.113.7");

/// Chains in which the left-most address is not the client, or an element has another form.
const CHAINS: [Chain; 9] = [
    (&["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
    (&["198.51.100.1, 203.0.113.7, 10.1.2.3"], "203.0.113.7"),
    (&["198.51.100.1", "203.0.113.7, 10.1.2.3"], "203.0.113.7"),
    (&["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
    (&["198.51.100.1,, 203.0.113.7 ,"], "203.0.113.7"),
    (&["203.0.113.7:4711"], "203.0.113.7"),
    (&["[2001:db8::7]:4711, 2001:db8:aa::1"], "2001:db8::7"),
    (&["::ffff:203.0.113.7, ::ffff:10.1.2.3"], "203.0.113.7"),
    (&["203.0.113.7, unknown, 10.1.2.3"], "10.1.2.3"),
];

async fn chains(subject: &mut Subject<'_>) {
    send(subject, "client", CLIENT).await;
    for chain in CHAINS {
        send(subject, "chain", chain).await;
    }
    subject.settle().await;
}

async fn send(subject: &mut Subject<'_>, name: &'static str, (lines, _): Chain) {
    let headers = lines.iter().map(|line| format!("X-Forwarded-For: {line}"));
    let headers: Vec<String> = headers.collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    subject
        .get_marked(name, "/?plimsoll={nonce}", &headers)
        .await;
}

fn judge(evidence: &Evidence, name: &str, chains: &[Chain]) -> Judgement {
    for (exchange, (_, client)) in evidence.exchanges(name).zip(chains) {
        let records = evidence.access_records(exchange)?;
        let Some(record) = records.first() else {
            let received = "no access record".to_owned();
            return Err(Finding::exchange(exchange, received, "an access record").into());
        };
        require(record.text("ip") == Some(client), || {
            Finding::record(exchange, record, format!("ip {client:?}"))
        })?;
    }
    Ok(())
}
