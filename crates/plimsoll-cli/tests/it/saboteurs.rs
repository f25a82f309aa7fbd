//! Each check fails for the service that breaks its promise, and for no other.
//!
//! The saboteur of a check has its name. `examples/saboteur` makes it from the reference service.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    thread,
};

use crate::support::{argument, verify};

/// Runs at a time. A run mostly waits.
const CONCURRENT: usize = 8;

fn check_ids() -> VecDeque<String> {
    let contract = plimsoll_contract::Contract::get();
    let checks = contract.clauses.iter().flat_map(|clause| {
        let checks = clause.checks.iter();
        checks.map(|check| format!("{}:{}", clause.id, check.id))
    });
    checks.collect()
}

/// Runs the saboteur of a check. Returns what is wrong with the report.
fn fault_of(id: &str) -> Option<String> {
    let (saboteur, service) = (harness::example("saboteur"), harness::reference_service());
    let service = [argument(&saboteur), id, argument(&service)];
    let mut options = vec!["--level", "full"];
    // These checks are about starts that fail, which only saboteurs of CFG change.
    if !id.starts_with("CFG") {
        options.extend(["--skip", "CFG-2,CFG-3"]);
    }
    let report = verify(&options, &service);
    let (violated, unknown) = (report.with("violated"), report.with("not_proven"));
    let expected: &[&str] = if id == "none" { &[] } else { &[id] };
    (violated != expected || !unknown.is_empty()).then(|| {
        let details = report.details("violated") + &report.details("not_proven");
        format!("{id}: violated {violated:?}, not proven {unknown:?}\n{details}")
    })
}

#[test]
fn each_check_fails_for_its_saboteur_alone() {
    let mut ids = check_ids();
    ids.push_front("none".to_owned());
    let ids = Mutex::new(ids);
    let faults: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..CONCURRENT)
            .map(|_| {
                scope.spawn(|| {
                    let next = || {
                        ids.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .pop_front()
                    };
                    let ids = std::iter::from_fn(next);
                    ids.filter_map(|id| fault_of(&id)).collect::<Vec<_>>()
                })
            })
            .collect();
        let faults = workers.into_iter().map(|worker| worker.join().unwrap());
        faults.flatten().collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
