//! CFG-5 and CFG-10: secrets, and the files from which they are read.
//!
//! The secrets of the scenario occur nowhere else, so whatever contains one was made from it.

use std::time::Duration;

use crate::{
    target::Start,
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, each, require},
        probe::{Observation, Probe},
        scenario::{ADMIN_TOKEN, OPERATED, OTHER_SECRET_KEY, SECRET_KEY},
        subject::Subject,
    },
};

pub(super) const PROBE: Probe = Probe {
    scenario: &OPERATED,
    observation: Observation::Session(|subject| Box::pin(secrets(subject))),
    checks: &[
        ("CFG-5:shown", shown),
        ("CFG-5:file", file),
        ("CFG-10:device", device),
        ("CFG-10:pipe", pipe),
    ],
};

/// A token that is too short, so that it is rejected.
const SHORT_TOKEN: &str = "Qm3vX8-short-token";

/// The time of a start after which one of 10 s is late for another reason.
const QUICK: Duration = Duration::from_secs(2);

/// The pages that a service shows.
const PATHS: [&str; 5] = ["/", "/info", "/metrics", "/.plimsoll/{nonce}", "/ready"];

async fn secrets(subject: &mut Subject<'_>) {
    for path in PATHS {
        subject.get_marked("page", path, &[]).await;
    }
    subject.run("report", &["--check-config"], &[]).await;
    let short = &[
        ("ADMIN_ADDR", "127.0.0.1:{admin}"),
        ("ADMIN_TOKEN", SHORT_TOKEN),
        ("READ_TIMEOUT", "soon"),
    ];
    subject.start("rejected", &[], short).await;
    let missing = &[
        ("SECRET_KEY", ""),
        ("SECRET_KEY_FILE", "{dir}/missing-secret"),
    ];
    subject.start("file", &[], missing).await;
    let device = &[("SECRET_KEY", ""), ("SECRET_KEY_FILE", "/dev/null")];
    subject.start("device", &[], device).await;
    if subject.make_pipe("pipe") {
        let pipe = &[("SECRET_KEY", ""), ("SECRET_KEY_FILE", "{dir}/pipe")];
        subject.start("pipe", &[], pipe).await;
    }
}

fn shown(evidence: &Evidence) -> Judgement {
    let secrets = [SECRET_KEY, OTHER_SECRET_KEY, ADMIN_TOKEN, SHORT_TOKEN];
    let has_secret = |text: &str| secrets.iter().any(|secret| text.contains(secret));
    let expected = "no part of the output that contains a secret";
    let pages = each(evidence.exchanges("page"), |exchange| {
        let is_shown = exchange.response().is_some_and(|response| {
            let mut headers = response.headers.iter();
            has_secret(&response.text()) || headers.any(|(_, it)| has_secret(it))
        });
        require(!is_shown, || Finding::response(exchange, expected))
    });
    let runs = each(&evidence.runs, |run| {
        require(!has_secret(&run.output()), || run.finding(expected))
    });
    each([pages, runs], |judgement| judgement)?;
    for line in evidence.lines.iter().flatten() {
        let text = line.text();
        require(!has_secret(&text), || {
            Finding::new(evidence.start_name(), text, expected)
        })?;
    }
    // Without any output of the service, nothing is known.
    evidence.answer("page").map(drop)
}

fn file(evidence: &Evidence) -> Judgement {
    let run = evidence.run("file")?;
    run.is_rejected(&["missing-secret", "SECRET_KEY_FILE"])
}

fn device(evidence: &Evidence) -> Judgement {
    let run = evidence.run("device")?;
    run.is_rejected(&["/dev/null", "SECRET_KEY_FILE"])
}

fn pipe(evidence: &Evidence) -> Judgement {
    let run = evidence.run("pipe")?;
    let waits = matches!(&run.result, Start::Silent { listens_on } if listens_on.is_empty());
    // The service itself has started within this time, so a longer one is a wait for the pipe.
    let is_quick = matches!(evidence.start, Some(Start::Ready(time)) if time < QUICK);
    if waits && is_quick {
        let expected = "the end with a status other than 0 at once, and the file in the output";
        return Err(Fault::late(run.finding(expected), QUICK, evidence.lag));
    }
    run.is_rejected(&["/pipe", "SECRET_KEY_FILE"])
}
