//! TLS-3: certificates of clients.

use crate::verify::{
    authority::Client,
    evidence::Evidence,
    judgement::{Fault, Finding, Judgement, each, require},
    probe::{Observation, Probe},
    scenario::MUTUAL_TLS,
    subject::{Hello, Subject},
};

pub(super) const PROBES: &[Probe] = &[Probe {
    scenario: &MUTUAL_TLS,
    observation: Observation::Session(|subject| Box::pin(visits(subject))),
    checks: &[("TLS-3:clients", clients)],
}];

/// Clients that must be rejected.
const REJECTED: [(&str, Option<Client>); 3] = [
    ("no certificate", None),
    ("a certificate of another authority", Some(Client::Other)),
    ("an expired certificate", Some(Client::Expired)),
];

async fn visits(subject: &mut Subject<'_>) {
    let known = ("a valid certificate", Some(Client::Known));
    for (name, client) in [known].into_iter().chain(REJECTED) {
        let issued = client.map(|client| subject.authority()?.client(client));
        // Without a key, there is no handshake, and nothing is proven.
        if let Ok(certificate) = issued.transpose() {
            let hello = Hello {
                certificate,
                ..Hello::default()
            };
            subject.visit(name, hello).await;
        }
    }
}

fn clients(evidence: &Evidence) -> Judgement {
    let expected = "a response to a client with a valid certificate, and to no other";
    let sent = |name: &str| format!("a handshake with {name}, and GET /health");
    let known = evidence.handshake("a valid certificate")?;
    if let Ok(agreed) = &known.result
        && !agreed.asks_for_certificate
    {
        let reason = "certificates of clients not offered: the service asks for none";
        return Err(Fault::not_proven(reason));
    }
    require(known.is_answered(), || {
        Finding::new(sent(known.name), known.text(), expected)
    })?;
    each(REJECTED, |(name, _)| {
        let handshake = evidence.handshake(name)?;
        require(!handshake.is_answered(), || {
            Finding::new(sent(name), handshake.text(), expected).about(name)
        })
    })
}
