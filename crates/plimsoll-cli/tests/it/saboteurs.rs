//! Each check fails for the service that breaks its promise, and for no other.
//!
//! The saboteur of a check has its name. `examples/saboteur` makes it from the reference service.
//! With `PLIMSOLL_FULL=1` all checks are made on it, otherwise those of its clause.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
};

use crate::support::{
    Report, argument, is_full, is_unmeasured, lacks_route, share_machine, verify,
};

/// Runs at a time. A run mostly waits.
const CONCURRENT: usize = 4;

fn check_ids() -> VecDeque<String> {
    let contract = plimsoll_contract::Contract::get();
    let checks = contract.clauses.iter().flat_map(|clause| {
        let checks = clause.checks.iter();
        checks.map(|check| format!("{}:{}", clause.id, check.id))
    });
    checks.collect()
}

/// Checks the saboteur of a check. If the check needs a route, it is made from the fixture.
fn report_of(id: &str) -> Report {
    let report = report_on(id, &harness::reference_service(), &[]);
    if !report.check(id).is_some_and(lacks_route) {
        return report;
    }
    let subjects = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/subjects");
    let configuration = subjects.join("fixture/plimsoll.toml");
    let options = ["--config", argument(&configuration)];
    report_on(id, &harness::example("fixture"), &options)
}

fn report_on(id: &str, service: &Path, options: &[&str]) -> Report {
    let saboteur = harness::example("saboteur");
    let service = [argument(&saboteur), id, argument(service)];
    let has_routes = !options.is_empty();
    let mut options = [&["--level", "full"], options].concat();
    let part = match (id.split_once(':'), id.split_once('-')) {
        (Some((clause, _)), _) if !is_full() => Some(clause),
        // The fixture has no banner and no /info.
        (_, Some((group, _))) if has_routes => Some(group),
        _ => None,
    };
    if let Some(part) = part {
        options.extend(["--only", part]);
    }
    verify(&options, &service)
}

/// Returns what is wrong with the report on a saboteur.
fn fault(id: &str, report: &Report) -> Option<String> {
    let (violated, unknown) = (report.with("violated"), report.unknown());
    let expected: &[&str] = if id == "none" { &[] } else { &[id] };
    (violated != expected || !unknown.is_empty()).then(|| {
        let details = report.details("violated") + &report.details("not_proven");
        format!("{id}: violated {violated:?}, not proven {unknown:?}\n{details}")
    })
}

#[test]
fn each_check_fails_for_its_saboteur_alone() {
    let _machine = share_machine();
    let mut ids = check_ids();
    ids.push_front("none".to_owned());
    let ids = Mutex::new(ids);
    let reports: Vec<(String, Report)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..CONCURRENT)
            .map(|_| {
                scope.spawn(|| {
                    let next = || {
                        ids.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .pop_front()
                    };
                    let ids = std::iter::from_fn(next);
                    let reports = ids.map(|id| {
                        let report = report_of(&id);
                        (id, report)
                    });
                    reports.collect::<Vec<_>>()
                })
            })
            .collect();
        let reports = workers.into_iter().map(|worker| worker.join().unwrap());
        reports.flatten().collect()
    });
    let faults = reports.into_iter().filter_map(|(id, report)| {
        // The runs beside it have made its measurement of time impossible, so it is made alone.
        let report = if report.check(&id).is_some_and(is_unmeasured) {
            report_of(&id)
        } else {
            report
        };
        fault(&id, &report)
    });
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
