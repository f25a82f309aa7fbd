//! CLI: arguments of the command, and a start that fails.
//!
//! Commands about the service run beside it, with its settings. Other arguments are tried on another port:
//! a service that ignores them then serves, and does not fail because its own port is in use.

use crate::{
    target::Stream,
    verify::{
        evidence::Evidence,
        judgement::{Judgement, each, require},
        probe::{Observation, Probe},
        scenario::OPERATED,
        subject::Subject,
    },
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &OPERATED,
        observation: Observation::Session(|subject| Box::pin(arguments(subject))),
        checks: &[
            ("CLI-1:help", |evidence| prints(evidence, ["--help", "-h"])),
            ("CLI-1:version", |evidence| {
                prints(evidence, ["--version", "-V"])
            }),
            ("CLI-1:unknown", unknown),
            ("CLI-1:status", status),
        ],
    },
    Probe {
        scenario: &OPERATED,
        observation: Observation::Session(|subject| Box::pin(health(subject))),
        checks: &[("CLI-2:healthy", healthy), ("CLI-2:unhealthy", unhealthy)],
    },
    Probe {
        scenario: &OPERATED,
        observation: Observation::Session(|subject| Box::pin(subject.run("again", &[], &[]))),
        checks: &[("CLI-3:address", address)],
    },
];

/// An argument that no service understands.
const UNKNOWN: &str = "--plimsoll-unknown";

async fn arguments(subject: &mut Subject<'_>) {
    subject.start("--help", &["--help"], &[]).await;
    subject.start("-h", &["-h"], &[]).await;
    subject.start("--version", &["--version"], &[]).await;
    subject.start("-V", &["-V"], &[]).await;
    subject.start(UNKNOWN, &[UNKNOWN], &[]).await;
}

async fn health(subject: &mut Subject<'_>) {
    subject.run("healthy", &["healthcheck"], &[]).await;
    if subject.evidence().has_succeeded("healthy") {
        subject.start("unhealthy", &["healthcheck"], &[]).await;
    }
}

fn prints(evidence: &Evidence, names: [&str; 2]) -> Judgement {
    each(names, |name| {
        let run = evidence.run(name)?;
        run.ends_with(0)?;
        require(!run.text(Stream::Out).trim().is_empty(), || {
            run.finding("a text on standard output")
        })
    })
}

fn unknown(evidence: &Evidence) -> Judgement {
    let run = evidence.run(UNKNOWN)?;
    run.is_rejected(&[UNKNOWN])?;
    require(run.text(Stream::Err).contains(UNKNOWN), || {
        run.finding(format!("{UNKNOWN} on standard error"))
    })
}

fn status(evidence: &Evidence) -> Judgement {
    evidence.run(UNKNOWN)?.ends_with(64)
}

fn healthy(evidence: &Evidence) -> Judgement {
    evidence.run("healthy")?.ends_with(0)
}

fn unhealthy(evidence: &Evidence) -> Judgement {
    let run = evidence.run("unhealthy")?;
    run.ends_with(1)?;
    require(!run.text(Stream::Err).trim().is_empty(), || {
        run.finding("the reason on standard error")
    })
}

fn address(evidence: &Evidence) -> Judgement {
    let run = evidence.run("again")?;
    run.ends_with(1)?;
    let port = evidence.port.map(|port| port.to_string());
    let port = port.unwrap_or_default();
    require(run.text(Stream::Err).contains(&port), || {
        run.finding(format!("the address with port {port} on standard error"))
    })
}
