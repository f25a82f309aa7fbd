//! Each check fails for the service that breaks its promise, and for no other.
//!
//! The saboteur of a check has its name. `examples/saboteur` makes it from the reference service, or
//! from the fixture if the check needs a route.
//! With `PLIMSOLL_FULL=1` the reference service gets all checks and the fixture those of the clause's group.
//! Otherwise both get the checks of the clause.

use std::{
    collections::{BTreeSet, VecDeque},
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
};

use plimsoll_contract::{Check, Clause};

use crate::support::{Report, argument, is_full, is_unmeasured, share_machine, verify};

/// Runs at a time. A run mostly waits.
const CONCURRENT: usize = 12;

/// A run on a saboteur.
struct Case {
    fault: String,
    /// Whether the saboteur is made from the fixture, which has the routes that checks need.
    has_routes: bool,
    /// Clauses or groups. Without any, all checks are made.
    only: BTreeSet<String>,
}

impl Case {
    fn of(clause: &Clause, check: &Check) -> Self {
        let has_routes = check.sends.contains("the route ");
        let part = match (is_full(), has_routes) {
            (false, _) => Some(clause.id.as_str()),
            // The fixture has no banner and no /info.
            (true, true) => Some(clause.group()),
            (true, false) => None,
        };
        Self {
            fault: format!("{}:{}", clause.id, check.id),
            has_routes,
            only: part.into_iter().map(str::to_owned).collect(),
        }
    }

    /// The case of each check, after those without a fault, which take longest.
    fn all() -> VecDeque<Self> {
        let clauses = plimsoll_contract::Contract::get().clauses.iter();
        let checks = clauses.flat_map(|clause| clause.checks.iter().map(move |it| (clause, it)));
        let mut cases: VecDeque<Self> = checks.map(|(clause, it)| Self::of(clause, it)).collect();
        let on_fixture = cases.iter().filter(|case| case.has_routes);
        let on_fixture = on_fixture.flat_map(|case| case.only.clone()).collect();
        for (has_routes, only) in [(true, on_fixture), (false, BTreeSet::new())] {
            cases.push_front(Self {
                fault: "none".to_owned(),
                has_routes,
                only,
            });
        }
        cases
    }

    /// Checks the saboteur.
    fn report(&self) -> Report {
        let subjects = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/subjects");
        let configuration = subjects.join("fixture/plimsoll.toml");
        let only: Vec<&str> = self.only.iter().map(String::as_str).collect();
        let only = only.join(",");
        // A request that is never answered is the evidence of some faults.
        let mut options = vec!["--level", "full", "--timeout", "5s"];
        if !only.is_empty() {
            options.extend(["--only", &only]);
        }
        let service = match self.has_routes {
            true => {
                options.extend(["--config", argument(&configuration)]);
                harness::example("fixture")
            }
            false => harness::reference_service(),
        };
        let saboteur = harness::example("saboteur");
        let command = [argument(&saboteur), &self.fault, argument(&service)];
        verify(&options, &command)
    }

    /// Returns what is wrong with the report.
    fn fault(&self, report: &Report) -> Option<String> {
        let (violated, unknown) = (report.with("violated"), report.unknown());
        let id = self.fault.as_str();
        let expected: &[&str] = if id == "none" { &[] } else { &[id] };
        (violated != expected || !unknown.is_empty()).then(|| {
            let details = report.details("violated") + &report.details("not_proven");
            format!("{id}: violated {violated:?}, not proven {unknown:?}\n{details}")
        })
    }
}

#[test]
fn each_check_fails_for_its_saboteur_alone() {
    let _machine = share_machine();
    let cases = Mutex::new(Case::all());
    let next = || {
        let mut cases = cases.lock().unwrap_or_else(PoisonError::into_inner);
        cases.pop_front()
    };
    let reports: Vec<(Case, Report)> = thread::scope(|scope| {
        let work = || {
            let cases = std::iter::from_fn(next);
            let reports = cases.map(|case| {
                let report = case.report();
                (case, report)
            });
            reports.collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..CONCURRENT).map(|_| scope.spawn(work)).collect();
        let reports = workers.into_iter().map(|worker| worker.join().unwrap());
        reports.flatten().collect()
    });
    let faults = reports.into_iter().filter_map(|(case, report)| {
        // The runs beside it have made its measurement of time impossible, so it is made alone.
        let report = match report.check(&case.fault).is_some_and(is_unmeasured) {
            true => case.report(),
            false => report,
        };
        case.fault(&report)
    });
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
