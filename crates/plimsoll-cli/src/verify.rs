//! The command `verify`: checks a service against the operational contract.
//!
//! * `scenario` is how the service is started, `probe` what is sent to it, `checks` all probes.
//! * A probe gathers `evidence`, which checks turn into a `judgement`.
//! * `run` does this for the selected checks; `report` prints the results.
//!
//! Behaviour that was not demonstrated is *not proven*, never a pass.

mod authority;
mod checks;
mod collector;
mod command;
mod conversation;
mod evidence;
mod explain;
mod handshake;
mod journal;
mod judgement;
mod lag;
mod list;
mod measurement;
mod metrics;
mod names;
mod nonce;
mod options;
mod peers;
mod plan;
mod probe;
mod progress;
mod record;
mod report;
mod routes;
mod run;
mod scenario;
mod select;
mod subject;
mod surface;
mod waived;

#[cfg(test)]
pub(crate) use self::routes::Route;
pub(crate) use self::{names::Names, options::Arguments, routes::Routes, select::check_ids};

use std::fs;

use plimsoll_contract::Severity;
use tokio::signal::unix::{SignalKind, signal};

use self::{
    options::{Format, Limits, Target},
    report::Subject,
    run::{CheckResult, Plan, Results, Verdict},
    select::Selection,
};
use crate::{
    exit::{Exit, Failure},
    project::Project,
    term,
};

/// Runs the command.
///
/// # Errors
///
/// As documented at [`Failure`].
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.list {
        return list::run(arguments.json);
    }
    if let Some(id) = &arguments.explain {
        return explain::run(id);
    }
    let selection = Selection::new(arguments.level(), &arguments.only, &arguments.skip);
    if selection.checks().is_empty() {
        let reason = "the options select no check; `plimsoll verify --list` has all";
        return Err(Failure::Usage(reason.to_owned()));
    }
    let project = Project::read(arguments.config.as_deref())?;
    let waivers = match &arguments.waivers {
        Some(file) => Project::read(Some(file))?.waivers,
        None => project.waivers,
    };
    let target = arguments.target(&project.verify.command)?;
    arguments.validate(&target)?;
    if arguments.plan {
        let text = plan::text(&target, &selection, arguments.intrusive);
        term::print(&text)?;
        return Ok(Exit::Success);
    }
    let seed = arguments.seed();
    let plan = Plan {
        target: &target,
        variables: &arguments.env,
        port: arguments.port,
        selection: &selection,
        routes: &project.verify.routes,
        names: &project.verify.names,
        logs: arguments.logs.as_ref(),
        admin: arguments.admin.as_ref(),
        intrusive: arguments.intrusive,
        limits: arguments.limits(),
        seed,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    let mut results = runtime.block_on(uninterrupted(&plan))?;
    results.unused = waived::apply(&mut results.checks, &waivers);
    let subject = Subject {
        target: &target,
        level: selection.level(),
        seed,
    };
    for file in &arguments.report {
        let text = match file.format {
            Format::Json => report::json(&subject, &results),
            Format::Junit => report::junit(&results),
            Format::Sarif => report::sarif(&results),
        };
        fs::write(&file.path, text).map_err(|source| Failure::Report {
            path: file.path.clone(),
            source,
        })?;
    }
    let text = if arguments.json {
        report::json(&subject, &results)
    } else {
        report::human(&subject, &results)
    };
    term::print(&text)?;
    Ok(exit(&results, arguments.fail_on(), arguments.require_proof))
}

/// Runs the plan until a signal that would end the process. The service is killed in either case.
async fn uninterrupted(plan: &Plan<'_>) -> Result<Results, Failure> {
    let ends = |kind| signal(kind).map_err(Failure::Runtime);
    let mut interrupt = ends(SignalKind::interrupt())?;
    let mut terminate = ends(SignalKind::terminate())?;
    let mut hangup = ends(SignalKind::hangup())?;
    let mut quit = ends(SignalKind::quit())?;
    tokio::select! {
        results = run::run(plan) => results,
        _ = interrupt.recv() => Err(Failure::Interrupted),
        _ = terminate.recv() => Err(Failure::Interrupted),
        _ = hangup.recv() => Err(Failure::Interrupted),
        _ = quit.recv() => Err(Failure::Interrupted),
    }
}

fn exit(results: &Results, fail_on: Severity, requires_proof: bool) -> Exit {
    let fails = |result: &CheckResult| {
        matches!(result.verdict, Verdict::Violated(_)) && result.check.severity >= fail_on
    };
    let lacks_proof = |result: &CheckResult| {
        matches!(
            result.verdict,
            Verdict::NotProven { .. } | Verdict::Blocked { .. }
        )
    };
    if results.checks.iter().any(fails) {
        Exit::Findings
    } else if requires_proof && results.checks.iter().any(lacks_proof) {
        Exit::Incomplete
    } else {
        Exit::Success
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plimsoll_contract::Contract;

    use super::*;

    fn results(verdicts: &[(&str, Verdict)]) -> Results {
        let checks = verdicts.iter().map(|(id, verdict)| {
            let (clause, check) = Contract::get().check(id).unwrap();
            let verdict = verdict.clone();
            CheckResult {
                clause,
                check,
                verdict,
            }
        });
        Results {
            checks: checks.collect(),
            unused: Vec::new(),
            surface: surface::Surface::default(),
            first: None,
            starts: 0,
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn exit_status_follows_severity_and_proof() {
        let finding = judgement::Finding::new("a", "b", "c");
        let violated = Verdict::Violated(finding);
        let reason = "none".to_owned();
        let not_proven = Verdict::NotProven { reason };
        let error = results(&[("HTTP-1:banner", violated.clone())]);
        let note = results(&[("HTTP-1:charset", violated)]);
        let unknown = results(&[("HTTP-1:banner", not_proven)]);
        let good = results(&[("HTTP-1:banner", Verdict::Holds)]);
        assert_eq!(exit(&error, Severity::Error, false), Exit::Findings);
        assert_eq!(exit(&note, Severity::Error, false), Exit::Success);
        assert_eq!(exit(&note, Severity::Note, false), Exit::Findings);
        assert_eq!(exit(&unknown, Severity::Error, false), Exit::Success);
        assert_eq!(exit(&unknown, Severity::Error, true), Exit::Incomplete);
        assert_eq!(exit(&good, Severity::Note, true), Exit::Success);
    }
}
