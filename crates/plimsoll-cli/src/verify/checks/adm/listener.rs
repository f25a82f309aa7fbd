//! ADM-1, ADM-3, HTTP-11 and CLI-4: the paths of the admin listener.

use super::{answer, finding, has_status, listener, open};
use crate::{
    target::Stream,
    verify::{
        evidence::Evidence,
        judgement::{Finding, Judgement, each, require},
        probe::{Observation, Probe},
        record::Record,
        scenario::{ADMIN_ONLY, BUILD_TIME, OPERATED, SERVICE_NAME, VERSION},
        subject::{Subject, request},
    },
};

pub(super) const PROBE: Probe = Probe {
    scenario: &OPERATED,
    observation: Observation::Session(|subject| Box::pin(paths(subject))),
    checks: &[
        ("ADM-1:endpoints", endpoints),
        ("ADM-1:others", others),
        ("HTTP-11:info", info),
        ("HTTP-11:unlogged", unlogged),
        ("CLI-4:admin", command),
        ("CLI-4:status", command_status),
    ],
};

/// The listener alone serves probes and metrics.
pub(super) const ALONE: Probe = Probe {
    scenario: &ADMIN_ONLY,
    observation: Observation::Session(|subject| Box::pin(alone(subject))),
    checks: &[
        ("ADM-3:main", main_has_none),
        ("ADM-3:admin", |evidence| {
            listener(evidence)?;
            has_status(evidence, "admin", 200)
        }),
        ("CLI-2:admin", healthcheck),
    ],
};

/// The probes, metrics and `/info`.
const ENDPOINTS: [&str; 4] = ["/health", "/ready", "/metrics", "/info"];

async fn paths(subject: &mut Subject<'_>) {
    if !open(subject).await {
        return;
    }
    for path in ENDPOINTS {
        subject
            .send_admin("endpoint", request("GET", path, &[]))
            .await;
    }
    for path in ["/", "/.plimsoll/other"] {
        subject.send_admin("other", request("GET", path, &[])).await;
    }
    subject.get_admin_marked("info", "/info").await;
    subject.run("admin", &["admin", "/info"], &[]).await;
    if subject.evidence().has_succeeded("admin") {
        let missing = &["admin", "/.plimsoll/other"];
        subject.run("missing", missing, &[]).await;
    }
    subject.settle().await;
}

async fn alone(subject: &mut Subject<'_>) {
    if !open(subject).await {
        return;
    }
    for path in ["/health", "/ready", "/metrics"] {
        subject.get("main", path, &[]).await;
        subject.send_admin("admin", request("GET", path, &[])).await;
    }
    subject.run("healthcheck", &["healthcheck"], &[]).await;
}

fn endpoints(evidence: &Evidence) -> Judgement {
    listener(evidence)?;
    has_status(evidence, "endpoint", 200)
}

fn others(evidence: &Evidence) -> Judgement {
    listener(evidence)?;
    has_status(evidence, "other", 404)
}

fn info(evidence: &Evidence) -> Judgement {
    listener(evidence)?;
    let (exchange, response) = answer(evidence, "info")?;
    let expected = [
        ("service", SERVICE_NAME),
        ("version", VERSION),
        ("buildTime", BUILD_TIME),
    ];
    let is_exact = Record::parse(&response.body).is_some_and(|fields| {
        let names: Vec<&str> = fields.names().collect();
        let rest = names.strip_prefix(&["service", "version", "buildTime"]);
        let optional: [&[&str]; 4] = [
            &[],
            &["revision"],
            &["rustcVersion"],
            &["revision", "rustcVersion"],
        ];
        let mut pairs = expected.iter();
        rest.is_some_and(|rest| optional.contains(&rest))
            && pairs.all(|(name, value)| fields.text(name) == Some(value))
    });
    let cache = response.header("cache-control");
    let is_json = response.media_type() == "application/json";
    let holds = response.status == 200 && is_json && cache == Some("no-store") && is_exact;
    require(holds, || {
        let fields = expected.map(|(name, value)| format!("{name} {value:?}"));
        let fields = fields.join(", ");
        finding(
            exchange,
            format!("status 200, application/json, cache-control: no-store, and {fields} first"),
        )
    })
}

fn unlogged(evidence: &Evidence) -> Judgement {
    listener(evidence)?;
    let (exchange, _) = answer(evidence, "info")?;
    let records = evidence.access_records(exchange)?;
    match records.first() {
        None => Ok(()),
        Some(record) => Err(Finding::record(exchange, record, "no access record").into()),
    }
}

fn command(evidence: &Evidence) -> Judgement {
    listener(evidence)?;
    let run = evidence.run("admin")?;
    run.ends_with(0)?;
    let (_, response) = answer(evidence, "info")?;
    let body = response.text();
    require(run.text(Stream::Out).contains(body.trim_end()), || {
        run.finding(format!("the body {body:?} on standard output"))
    })
}

fn command_status(evidence: &Evidence) -> Judgement {
    listener(evidence)?;
    evidence.run("missing")?.ends_with(1)
}

fn main_has_none(evidence: &Evidence) -> Judgement {
    listener(evidence)?;
    each(evidence.exchanges("main"), |exchange| {
        require(exchange.status() == Some(404), || {
            let finding = Finding::response(exchange, "status 404");
            finding.sent_as(|sent| format!("{sent}, with INFRA_ENDPOINTS=admin"))
        })
    })
}

fn healthcheck(evidence: &Evidence) -> Judgement {
    listener(evidence)?;
    evidence.run("healthcheck")?.ends_with(0)
}
