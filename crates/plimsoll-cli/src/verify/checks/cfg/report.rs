//! CFG-1, CFG-6, CFG-7 and CFG-11: `--check-config` prints the settings, and starts nothing.
//!
//! The form of the report is not a promise: a line has the name of the setting, its value and its origin.
//! The commands run with the port of the service, so a process that binds it fails.

use crate::{
    target::Stream,
    verify::{
        command::CommandRun,
        evidence::Evidence,
        judgement::{Finding, Judgement, each, require},
        probe::{Observation, Probe},
        scenario::OPERATED,
        subject::Subject,
    },
};

pub(super) const PROBE: Probe = Probe {
    scenario: &OPERATED,
    observation: Observation::Session(|subject| Box::pin(reports(subject))),
    checks: &[
        ("CFG-6:valid", valid),
        ("CFG-1:defaults", defaults),
        ("CFG-7:native", native),
        ("CFG-6:wrong", wrong),
        ("CFG-6:files", files),
        ("CFG-6:origin", origin),
        ("CFG-6:profile", profile),
        ("CFG-6:help", help),
        ("CFG-11:memory", memory),
        ("CFG-11:warning", warning),
    ],
};

/// Settings that `--help` lists. Each is in a clause of the contract.
const LISTED: [&str; 12] = [
    "ADMIN_ADDR",
    "DEBUG",
    "DRAIN_DELAY",
    "HOST",
    "LOG_LEVEL",
    "MAX_BODY_BYTES",
    "MAX_IN_FLIGHT",
    "PORT",
    "READ_TIMEOUT",
    "SERVICE_NAME",
    "SHUTDOWN_TIMEOUT",
    "TRUSTED_PROXIES",
];

/// Defaults of the Django service that the scenario keeps, in their usual forms.
const DEFAULTS: [(&str, &[&str]); 5] = [
    ("DEBUG", &["false"]),
    ("LOG_LEVEL", &["INFO"]),
    ("READ_TIMEOUT", &["5s", "5", "5000ms"]),
    ("IDLE_TIMEOUT", &["120s", "120", "2m"]),
    ("SHUTDOWN_TIMEOUT", &["5s", "5", "5000ms"]),
];

/// The message about bodies that exceed the memory.
const WARNING: &str = "bodies_exceed_memory";

const CHECK: &[&str] = &["--check-config"];

async fn reports(subject: &mut Subject<'_>) {
    subject.start("help", &["--help"], &[]).await;
    let large = &[("MAX_IN_FLIGHT", "1000000"), ("MAX_BODY_BYTES", "1GiB")];
    subject
        .start_with_line("warning", &[], large, Some(WARNING))
        .await;
    subject.run("valid", CHECK, &[]).await;
    if !subject.evidence().has_succeeded("valid") {
        // The other checks are blocked, and each start on a port in use can take seconds.
        return;
    }
    let soon = &[("READ_TIMEOUT", "soon")];
    subject.run("wrong", CHECK, soon).await;
    let missing = &[
        ("TLS_CERT_FILE", "{dir}/missing.crt"),
        ("TLS_KEY_FILE", "{dir}/missing.key"),
    ];
    subject.run("files", CHECK, missing).await;
    let profile = &["--env-file", "{dir}/profile", "--check-config"];
    subject.run("profile", profile, &[]).await;
    let small = &[("MAX_IN_FLIGHT", "64"), ("MAX_BODY_BYTES", "1MiB")];
    subject.run("memory", CHECK, small).await;
}

fn valid(evidence: &Evidence) -> Judgement {
    let run = evidence.run("valid")?;
    run.ends_with(0)?;
    prints(run, &["WRITE_TIMEOUT", "37s"])
}

fn defaults(evidence: &Evidence) -> Judgement {
    let run = evidence.run("valid")?;
    run.ends_with(0)?;
    each(DEFAULTS, |(name, forms)| {
        let text = run.text(Stream::Out);
        let holds = text.lines().any(|line| {
            let mut words = words(line);
            words.next() == Some(name) && words.any(|word| forms.contains(&word))
        });
        require(holds, || run.finding(format!("{name} with {}", forms[0])))
    })
}

fn native(evidence: &Evidence) -> Judgement {
    let run = evidence.run("valid")?;
    run.ends_with(0)?;
    prints(run, &["REQUEST_TIMEOUT", "31s"])
}

fn wrong(evidence: &Evidence) -> Judgement {
    let run = evidence.run("wrong")?;
    run.ends_with(78)?;
    run.is_rejected(&["READ_TIMEOUT"])
}

fn files(evidence: &Evidence) -> Judgement {
    let run = evidence.run("files")?;
    run.ends_with(78)?;
    // A service without TLS rejects the setting, not the file.
    run.is_rejected(&["missing.crt", "TLS_CERT_FILE"])
}

fn origin(evidence: &Evidence) -> Judgement {
    let run = evidence.run("valid")?;
    run.ends_with(0)?;
    prints(run, &["WRITE_TIMEOUT", "37s", "environment"])?;
    prints(run, &["IDLE_TIMEOUT", "default"])
}

fn profile(evidence: &Evidence) -> Judgement {
    let run = evidence.run("profile")?;
    run.ends_with(0)?;
    prints(run, &["READ_TIMEOUT", "41s"])?;
    prints(run, &["WRITE_TIMEOUT", "37s"])
}

fn help(evidence: &Evidence) -> Judgement {
    let run = evidence.run("help")?;
    run.ends_with(0)?;
    let text = run.text(Stream::Out);
    let missing: Vec<&str> = LISTED
        .into_iter()
        .filter(|name| words(&text).all(|word| word != *name))
        .collect();
    require(missing.is_empty(), || {
        // The whole help would hide the difference.
        let received = format!("{}, without {}", run.result, missing.join(", "));
        Finding {
            received,
            ..run.finding(format!("the settings {}", LISTED.join(", ")))
        }
    })
}

fn memory(evidence: &Evidence) -> Judgement {
    let run = evidence.run("memory")?;
    run.ends_with(0)?;
    let is_product = |line: &str| {
        let words: Vec<&str> = words(line).collect();
        words.contains(&"67108864") || words.windows(2).any(|pair| pair == ["64", "MiB"])
    };
    let text = run.text(Stream::Out);
    let holds = text.lines().any(is_product) && text.contains("memory limit");
    require(holds, || {
        run.finding("a line with 64 MiB, and the memory limit")
    })
}

fn warning(evidence: &Evidence) -> Judgement {
    let run = evidence.run("warning")?;
    let text = run.output();
    let mut lines = text.lines();
    let is_warning = |line: &str| line.contains(WARNING) && line.contains("WARNING");
    require(lines.any(is_warning), || {
        run.finding(format!("a WARNING {WARNING}"))
    })
}

/// Returns the names, numbers and other words of a text.
///
/// A value that contains another one, such as `137s` or `0.5s`, is one word.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
    let words = text.split(move |letter| !is_part(letter));
    let words = words.map(|word| word.trim_matches('.'));
    words.filter(|word| !word.is_empty())
}

/// Requires a line of standard output that begins with the first text and has the others.
fn prints(run: &CommandRun, texts: &[&str]) -> Judgement {
    let text = run.text(Stream::Out);
    let has_all = |line: &str| {
        let words: Vec<&str> = words(line).collect();
        words.first() == texts.first() && texts.iter().all(|text| words.contains(text))
    };
    require(text.lines().any(has_all), || {
        let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
        run.finding(format!(
            "a line on standard output with {}",
            texts.join(", ")
        ))
    })
}
