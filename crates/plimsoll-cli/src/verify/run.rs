//! Runs the probes of the selected checks, and judges their evidence.
//!
//! Each scenario starts the service once. Its probes run one after the other: passive ones first, the
//! shutdown last.
//! A check that depends on a violated one is blocked, so one fault is reported once.
//! A probe that has measured a violation is repeated alone, in a start of its own.

mod results;
mod url;

pub(super) use self::{
    results::{CheckResult, FirstStart, Results, Verdict},
    url::refusal,
};

use std::{collections::BTreeMap, sync::Arc};

use plimsoll_contract::{Check, Class, Clause, Contract};
use tokio::time::{Instant, timeout};

use super::{
    Limits, Target, checks,
    evidence::{Evidence, Records},
    measurement::{Measurements, RUNS},
    names::Names,
    nonce::Nonces,
    options::Logs,
    peers::Peers,
    probe::{Collect, Observation, Probe},
    progress::Progress,
    routes::Routes,
    scenario::{self, Scenario},
    select::{Selection, id},
    subject::{Service, Subject},
    surface::Surface,
};
use crate::{
    exit::Failure,
    target::{Folder, Launch, Process, ReservedPort, Start, Url},
    wire::Wire,
};

/// What is checked, and how.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) target: &'a Target,
    pub(super) variables: &'a [(String, String)],
    pub(super) port: Option<u16>,
    pub(super) selection: &'a Selection,
    pub(super) routes: &'a Routes,
    pub(super) names: &'a Names,
    pub(super) logs: Option<&'a Logs>,
    /// The admin listener of a service at a URL.
    pub(super) admin: Option<&'a Url>,
    /// Whether a service at a URL gets intrusive checks.
    pub(super) intrusive: bool,
    pub(super) limits: Limits,
    pub(super) seed: u32,
}

/// A run in progress.
struct Run<'a> {
    plan: &'a Plan<'a>,
    nonces: Nonces,
    verdicts: BTreeMap<String, Verdict>,
    /// The judgements of checks without a verdict.
    measurements: BTreeMap<String, Measurements>,
    first: Option<FirstStart>,
    starts: usize,
    surface: Surface,
    progress: Progress,
}

/// Runs the plan.
///
/// # Errors
///
/// [`Failure`] if the service cannot be started or reached, so that nothing is known.
pub(super) async fn run(plan: &Plan<'_>) -> Result<Results, Failure> {
    let began = Instant::now();
    let mut run = Run {
        plan,
        nonces: Nonces::new(plan.seed),
        verdicts: BTreeMap::new(),
        measurements: BTreeMap::new(),
        first: None,
        starts: 0,
        surface: Surface::default(),
        progress: Progress::new(plan.selection.made().len()),
    };
    let all = async {
        match plan.target {
            Target::Command(command) => run.command(command).await,
            Target::Url(url) => run.url(url).await,
        }
    };
    // After the limit, the verdicts so far are reported.
    timeout(plan.limits.total, all).await.unwrap_or(Ok(()))?;
    let checks = plan.selection.checks().into_iter();
    let checks = checks.map(|(clause, check)| {
        let id = id(clause, check);
        let measured = run.measurements.get(&id).map(Measurements::last);
        let verdict = run.verdicts.remove(&id).or(measured);
        CheckResult {
            clause,
            check,
            verdict: verdict.unwrap_or_else(|| {
                let limit = plan.limits.total.as_secs();
                Verdict::NotProven {
                    reason: format!("the run ended after {limit} s; pass a longer --max-time"),
                }
            }),
        }
    });
    Ok(Results {
        checks: checks.collect(),
        unused: Vec::new(),
        surface: run.surface,
        first: run.first,
        starts: run.starts,
        elapsed: began.elapsed(),
    })
}

impl Plan<'_> {
    /// Returns where checks find the records of a command.
    pub(super) fn records(&self) -> Records {
        match self.logs {
            Some(Logs::Stderr) => Records::Stderr,
            _ => Records::Stdout,
        }
    }
}

impl Run<'_> {
    async fn command(&mut self, command: &[String]) -> Result<(), Failure> {
        for scenario in scenario::ALL {
            let probes = self.probes(scenario);
            if probes.is_empty() {
                continue;
            }
            self.scenario(command, scenario, &probes).await?;
            for probe in &probes {
                for _ in 1..RUNS {
                    if self.is_measured(probe) {
                        self.scenario(command, scenario, &[*probe]).await?;
                    }
                }
                // A check that they depend on may be violated since.
                self.block(probe);
            }
        }
        Ok(())
    }

    async fn scenario(
        &mut self,
        command: &[String],
        scenario: &'static Scenario,
        probes: &[&'static Probe],
    ) -> Result<(), Failure> {
        for probe in probes {
            self.block(probe);
        }
        if probes.iter().all(|probe| self.is_judged(probe)) {
            return Ok(());
        }
        let limits = &self.plan.limits;
        let port = match (scenario.has_port(), self.plan.port) {
            (true, _) => None,
            (false, Some(port)) => Some(ReservedPort::fixed(port)),
            (false, None) => Some(ReservedPort::free().map_err(Failure::Port)?),
        };
        let admin = ReservedPort::free().map_err(Failure::Port)?;
        let folder = Folder::create().map_err(Failure::Folder)?;
        for (name, text) in scenario.files {
            folder.write(name, text).map_err(Failure::Folder)?;
        }
        let mut peers = Peers::create(scenario, &folder).await?;
        let arguments = scenario.arguments.iter().map(|it| (*it).to_owned());
        let variables = scenario.variables.iter();
        let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut process = Process::spawn(Launch {
            command: command.iter().cloned().chain(arguments).collect(),
            variables: variables.chain(self.plan.variables.to_vec()).collect(),
            port: port.as_ref().map(ReservedPort::number),
            admin: Arc::new(admin),
            folder: Arc::new(folder),
            greeting: peers.greeting(scenario)?,
            collector: peers.collector_port(),
            socket: None,
            start_limit: limits.start,
            exchange_limit: limits.exchange,
        })?;
        self.starts += 1;
        let judged = self.verdicts.len();
        self.progress.show(judged, scenario.name, "start");
        let start = process.wait_for_start().await;
        if let Start::Ready(ready) = start {
            self.first.get_or_insert(FirstStart {
                pid: process.pid(),
                port: port.as_ref().map(ReservedPort::number),
                ready,
            });
        }
        for probe in probes {
            let Observation::Session(collect) = probe.observation else {
                let evidence = Evidence {
                    scenario,
                    start: Some(start.clone()),
                    lines: Some(process.output().lines()),
                    names: self.plan.names.clone(),
                    records: self.plan.records(),
                    ..Evidence::default()
                };
                self.judge(probe, &evidence);
                continue;
            };
            match (process.wire(), &start) {
                (Some(wire), Start::Ready(_)) => {
                    let service = Service::Process {
                        process: &mut process,
                        start: start.clone(),
                        peers: &mut peers,
                    };
                    self.observe(probe, collect, wire, service).await;
                }
                _ if self.first.is_none() => {
                    return Err(Failure::NotStarted {
                        start: start.to_string(),
                        hint: hint(&start),
                        output: process.output().tail(10),
                    });
                }
                _ => {
                    let reason = format!("{} in the scenario {:?}", start, scenario.name);
                    self.not_proven(probe, &reason);
                }
            }
        }
        Ok(())
    }

    async fn observe(
        &mut self,
        probe: &'static Probe,
        collect: Collect,
        wire: Wire,
        service: Service<'_>,
    ) {
        self.block(probe);
        if self.is_judged(probe) {
            return;
        }
        let judged = self.verdicts.len();
        self.progress
            .show(judged, probe.scenario.name, probe.checks[0].0);
        let subject = Subject::new(wire, service, probe.scenario, &mut self.nonces);
        let subject = subject.configured(self.plan);
        let evidence = subject.observe(collect).await;
        self.starts += evidence.runs.len();
        self.judge(probe, &evidence);
    }

    /// Returns the probes of a scenario with a selected check, in the order of the run.
    fn probes(&self, scenario: &'static Scenario) -> Vec<&'static Probe> {
        let probes = checks::all().filter(|probe| probe.scenario == scenario);
        let mut probes: Vec<&Probe> = probes
            .filter(|probe| self.selected(probe).next().is_some())
            .collect();
        probes.sort_by_key(|probe| class(probe));
        probes
    }

    fn selected<'p>(
        &'p self,
        probe: &'static Probe,
    ) -> impl Iterator<Item = (&'static str, super::probe::Evaluate)> + 'p {
        let checks = probe.checks.iter().copied();
        checks.filter(|(id, _)| self.plan.selection.made().contains(*id))
    }

    fn judge(&mut self, probe: &'static Probe, evidence: &Evidence) {
        // Other scenarios change the surface, such as by LOG_LEVEL.
        if *probe.scenario == scenario::BASE {
            self.surface.add(evidence);
        }
        let selected: Vec<_> = self.selected(probe).collect();
        for (id, evaluate) in selected {
            if self.verdicts.contains_key(id) {
                continue;
            }
            let verdict = self.blocked(id).or_else(|| {
                let measurements = self.measurements.entry(id.to_owned()).or_default();
                measurements.add(evaluate(evidence));
                measurements.verdict()
            });
            if let Some(verdict) = verdict {
                self.verdicts.insert(id.to_owned(), verdict);
            }
        }
    }

    /// Returns the verdict of a check that depends on one that is violated or blocked, or that requires
    /// one that is not proven.
    fn blocked(&self, id: &str) -> Option<Verdict> {
        let (_, check) = definition(id);
        let mut before = check.requires.iter().chain(&check.after);
        before.find_map(|before| match self.verdicts.get(before)? {
            Verdict::Violated(_) => Some(Verdict::Blocked { by: before.clone() }),
            Verdict::Blocked { by } => Some(Verdict::Blocked { by: by.clone() }),
            Verdict::NotProven { reason } if check.requires.contains(before) => {
                Some(Verdict::NotProven {
                    reason: reason.clone(),
                })
            }
            Verdict::Holds | Verdict::NotProven { .. } | Verdict::Waived { .. } => None,
        })
    }

    /// Sets the verdicts of a probe's blocked checks, before its requests are sent.
    fn block(&mut self, probe: &'static Probe) {
        let selected: Vec<_> = self.selected(probe).collect();
        for (id, _) in selected {
            if let Some(verdict) = self.blocked(id) {
                self.verdicts.insert(id.to_owned(), verdict);
            }
        }
    }

    fn is_judged(&self, probe: &'static Probe) -> bool {
        self.selected(probe)
            .all(|(id, _)| self.verdicts.contains_key(id))
    }

    /// Whether another run of the probe is needed.
    fn is_measured(&self, probe: &'static Probe) -> bool {
        let mut selected = self.selected(probe);
        selected
            .any(|(id, _)| self.measurements.contains_key(id) && !self.verdicts.contains_key(id))
    }

    fn not_proven(&mut self, probe: &'static Probe, reason: &str) {
        let selected: Vec<_> = self.selected(probe).collect();
        for (id, _) in selected {
            if self.verdicts.contains_key(id) {
                continue;
            }
            let verdict = self.blocked(id).unwrap_or_else(|| Verdict::NotProven {
                reason: reason.to_owned(),
            });
            self.verdicts.insert(id.to_owned(), verdict);
        }
    }
}

fn class(probe: &Probe) -> Class {
    let (_, check) = definition(probe.checks[0].0);
    check.class
}

fn definition(id: &str) -> (&'static Clause, &'static Check) {
    let definition = Contract::get().check(id);
    definition.expect("a test compares the ids of contract and code")
}

/// Returns the remedy for a start that failed.
fn hint(start: &Start) -> &'static str {
    match start {
        Start::Silent { listens_on } if !listens_on.is_empty() => {
            "read PORT in the service, or pass --port N or {port} in the command"
        }
        _ => "run the command alone, or pass a longer --start-timeout",
    }
}
