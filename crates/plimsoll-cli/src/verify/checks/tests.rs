//! Each check judges recorded evidence of a service that keeps the promise, and of one that does not.

mod adm;
mod cfg;
mod cli;
mod ended;
mod h2;
mod http;
mod ip;
mod life;
mod log;
mod met;
mod restarts;
mod rid;
mod sig;
mod srv;
mod tls;
mod trc;

use std::{collections::BTreeSet, time::Duration};

use plimsoll_contract::Contract;

use super::*;
use crate::{
    target::{Ended, Line, Notification, Start, Stream},
    verify::{
        command::CommandRun,
        evidence::{Evidence, Shutdown, Signalled},
        judgement::{Fault, Judgement},
        routes::Routes,
        scenario::{self, DEFAULTS, Scenario},
        subject::request,
    },
    wire::{Exchange, Outcome, Response},
};

/// The record of a start.
const READY: &str = r#"{"asctime":"2026-01-02 03:04:05,678","levelname":"INFO","name":"infra","process":7,"threadName":"main","message":"infra_app_ready","request_id":"-"}"#;

#[track_caller]
fn evaluate(id: &str, evidence: &Evidence) -> Judgement {
    let mut checks = all().flat_map(|probe| probe.checks);
    let (_, evaluate) = checks.find(|(other, _)| *other == id).expect(id);
    evaluate(evidence)
}

/// Judges evidence by a check: `Some(true)` if it holds, `None` if it is not proven.
#[track_caller]
fn judge(id: &str, evidence: &Evidence) -> Option<bool> {
    match evaluate(id, evidence) {
        Ok(()) => Some(true),
        Err(Fault::Violated(_) | Fault::Measured(_)) => Some(false),
        Err(Fault::NotProven(_) | Fault::Unmeasured(_)) => None,
    }
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Outcome {
    let headers = headers.iter();
    let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Outcome::Answered(Response {
        status,
        headers: headers.collect(),
        body: body.as_bytes().to_vec(),
    })
}

fn exchange(name: &'static str, outcome: Outcome) -> Exchange {
    Exchange::recorded(name, &request("GET", "/a", &[]), outcome)
}

fn started(exchanges: impl Into<Vec<Exchange>>, lines: &[&str]) -> Evidence {
    let lines = lines.iter().map(|line| Line {
        stream: Stream::Out,
        bytes: line.as_bytes().to_vec(),
    });
    Evidence {
        start: Some(Start::Ready(Duration::ZERO)),
        exchanges: exchanges.into(),
        lines: Some(lines.collect()),
        ..Evidence::default()
    }
}

/// Adds all routes to the evidence.
fn with_routes(evidence: Evidence) -> Evidence {
    Evidence {
        routes: Routes::all(),
        ..evidence
    }
}

/// Judges the response to one request.
#[track_caller]
fn judge_response(id: &str, name: &'static str, outcome: Outcome) -> Option<bool> {
    judge(id, &started([exchange(name, outcome)], &[]))
}

fn ended(code: Option<i32>) -> Ended {
    Ended {
        code,
        signal: code.is_none().then_some(15),
        at: Duration::from_secs(2),
    }
}

/// A run of the command with its exit status, standard output and standard error.
fn ran(name: &'static str, code: i32, out: &str, err: &str) -> CommandRun {
    let lines = [(Stream::Out, out), (Stream::Err, err)];
    let lines = lines.into_iter().flat_map(|(stream, text)| {
        text.lines().map(move |line| Line {
            stream,
            bytes: line.as_bytes().to_vec(),
        })
    });
    CommandRun {
        name,
        arguments: &["--an-argument"],
        variables: &[],
        result: Start::Ended(ended(Some(code))),
        lines: lines.collect(),
    }
}

/// Judges runs of the command beside a service on port 81.
#[track_caller]
fn judge_runs(id: &str, runs: impl Into<Vec<CommandRun>>) -> Option<bool> {
    let evidence = Evidence {
        port: Some(81),
        runs: runs.into(),
        ..started([], &[READY])
    };
    judge(id, &evidence)
}

fn timed(name: &'static str, sent: u64, done: u64, outcome: Outcome) -> Exchange {
    Exchange {
        sent: Duration::from_millis(sent),
        done: Duration::from_millis(done),
        ..exchange(name, outcome)
    }
}

fn ids() -> Vec<&'static str> {
    all()
        .flat_map(|probe| probe.checks.iter().map(|(id, _)| *id))
        .collect()
}

#[test]
fn checks_of_contract_and_code_agree() {
    let in_code: BTreeSet<String> = ids().into_iter().map(str::to_owned).collect();
    let in_contract: BTreeSet<String> = Contract::get()
        .clauses
        .iter()
        .flat_map(|clause| {
            let checks = clause.checks.iter();
            checks.map(|check| format!("{}:{}", clause.id, check.id))
        })
        .collect();
    assert_eq!(in_code, in_contract);
    assert_eq!(ids().len(), in_code.len(), "a check is judged twice");
}

#[test]
fn checks_follow_those_that_they_depend_on() {
    let ids = ids();
    for (position, id) in ids.iter().enumerate() {
        let (_, check) = Contract::get().check(id).unwrap();
        for after in check.after.iter().chain(&check.requires) {
            let before = ids[..position].contains(&after.as_str());
            assert!(before, "{id} is judged before {after}");
        }
    }
}

#[test]
fn checks_of_a_probe_have_one_class() {
    for probe in all() {
        let classes = probe.checks.iter().map(|(id, _)| {
            let (_, check) = Contract::get().check(id).unwrap();
            format!("{:?}", check.class)
        });
        assert_eq!(classes.collect::<BTreeSet<_>>().len(), 1, "{probe:?}");
    }
}
