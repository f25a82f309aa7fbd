//! CFG-1, CFG-4 and CFG-7: names of the Django service, names that are misspelt, and other names of settings.

use crate::verify::{
    command::Variables,
    evidence::Evidence,
    judgement::{Finding, Judgement, each, require},
    probe::{Observation, Probe},
    scenario::{MISSPELT, OPERATED},
    subject::Subject,
};

pub(super) const PROBE: Probe = Probe {
    scenario: &OPERATED,
    observation: Observation::Session(|subject| Box::pin(aliases(subject))),
    checks: &[
        ("CFG-1:profile", profile),
        ("CFG-4:nearest", nearest),
        ("CFG-7:alias", alias),
        ("CFG-7:shadowed", shadowed),
    ],
};

/// The aliases that have a value which can be wrong.
const ALIASES: [&str; 3] = [
    "GUNICORN_TIMEOUT",
    "GUNICORN_KEEPALIVE",
    "GUNICORN_GRACEFUL_TIMEOUT",
];

/// The variables of the Django service.
const PROFILE: Variables = &[
    ("DEBUG", "false"),
    ("LOG_LEVEL", "INFO"),
    ("READ_TIMEOUT", "2s"),
    ("IDLE_TIMEOUT", "30s"),
    ("WRITE_TIMEOUT", ""),
    ("REQUEST_TIMEOUT", ""),
    ("SHUTDOWN_TIMEOUT", "5s"),
    ("SECRET_KEY", ""),
    ("GUNICORN_WORKERS", "2"),
    ("GUNICORN_WORKER_CLASS", "gthread"),
    ("GUNICORN_THREADS", "4"),
    ("GUNICORN_TIMEOUT", "30"),
    ("GUNICORN_KEEPALIVE", "5"),
    ("GUNICORN_GRACEFUL_TIMEOUT", "5"),
];

async fn aliases(subject: &mut Subject<'_>) {
    subject.start("profile", &[], PROFILE).await;
    // The scenario sets the native name, which would take precedence.
    let timeout = &[("REQUEST_TIMEOUT", ""), ("GUNICORN_TIMEOUT", "soon")];
    subject.start("GUNICORN_TIMEOUT", &[], timeout).await;
    let keepalive = &[("GUNICORN_KEEPALIVE", "soon")];
    subject.start("GUNICORN_KEEPALIVE", &[], keepalive).await;
    let graceful = &[("GUNICORN_GRACEFUL_TIMEOUT", "soon")];
    subject
        .start("GUNICORN_GRACEFUL_TIMEOUT", &[], graceful)
        .await;
}

fn profile(evidence: &Evidence) -> Judgement {
    evidence.run("profile")?.serves()
}

fn nearest(evidence: &Evidence) -> Judgement {
    let records = evidence.records()?;
    let mut warnings = records.iter().filter(|record| {
        let is_warning = record.text("levelname") == Some("WARNING");
        is_warning && record.line().contains(MISSPELT)
    });
    let holds = warnings.any(|record| record.line().contains("\"READ_TIMEOUT\""));
    require(holds, || {
        Finding::new(
            format!("a start with {MISSPELT}=33s"),
            "no WARNING with both names",
            format!("a WARNING with {MISSPELT}, and READ_TIMEOUT as the nearest name"),
        )
    })
}

fn alias(evidence: &Evidence) -> Judgement {
    // gunicorn names its own option, and not the variable.
    each(ALIASES, |name| evidence.run(name)?.fails())
}

fn shadowed(evidence: &Evidence) -> Judgement {
    const NAMES: [&str; 2] = ["GUNICORN_TIMEOUT", "DJANGO_SECRET_KEY"];
    let records = evidence.records()?;
    let holds = records.iter().any(|record| {
        let is_info = record.text("levelname") == Some("INFO");
        is_info && NAMES.iter().all(|name| record.line().contains(name))
    });
    require(holds, || {
        Finding::new(
            "a start with REQUEST_TIMEOUT, GUNICORN_TIMEOUT, SECRET_KEY and DJANGO_SECRET_KEY",
            "no INFO record with both aliases",
            "one INFO record with GUNICORN_TIMEOUT and DJANGO_SECRET_KEY",
        )
    })
}
