//! IP-5: the scheme and host of the client.

use crate::verify::{
    evidence::Evidence,
    judgement::{Finding, Judgement, require},
    probe::{Observation, Probe},
    routes::Route,
    scenario::{BASE, PROXIED},
    subject::Subject,
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &PROXIED,
        observation: Observation::Session(|subject| Box::pin(trusted(subject))),
        checks: &[
            ("IP-5:trusted", |evidence| {
                origin(evidence, "trusted", "https://shop.example")
            }),
            ("IP-5:different", different),
        ],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(untrusted(subject))),
        checks: &[("IP-5:untrusted", |evidence| {
            evidence.require_command()?;
            origin(evidence, "untrusted", "http://localhost")
        })],
    },
];

/// The headers of a proxy in front of `https://shop.example`.
const PROTO: &str = "X-Forwarded-Proto: https";
const HOST: &str = "X-Forwarded-Host: shop.example";

async fn trusted(subject: &mut Subject<'_>) {
    if let Some(path) = subject.route(Route::Origin, &[]) {
        subject.get("trusted", &path, &[PROTO, HOST]).await;
        let schemes = ["X-Forwarded-Proto: https, http", HOST];
        subject.get("different", &path, &schemes).await;
    }
}

async fn untrusted(subject: &mut Subject<'_>) {
    if let Some(path) = subject.route(Route::Origin, &[]) {
        let forwarded = "Forwarded: for=203.0.113.7;proto=https;host=shop.example";
        subject
            .get("untrusted", &path, &[PROTO, HOST, forwarded])
            .await;
    }
}

fn origin(evidence: &Evidence, name: &str, expected: &str) -> Judgement {
    evidence.require_route(Route::Origin)?;
    let (exchange, response) = evidence.answer(name)?;
    require(response.text().trim() == expected, || {
        Finding::response(exchange, format!("the body {expected}"))
    })
}

fn different(evidence: &Evidence) -> Judgement {
    evidence.require_route(Route::Origin)?;
    let (exchange, response) = evidence.answer("different")?;
    require(response.status == 400, || {
        Finding::response(exchange, "status 400")
    })
}
