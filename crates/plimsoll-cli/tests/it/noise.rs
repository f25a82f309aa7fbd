//! A busy machine is no fault of the service.
//!
//! With `PLIMSOLL_FULL=1` the service is checked 20 times, otherwise once.

use std::{
    hint,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::support::{argument, is_full, take_machine, verify};

/// Runs of the long form.
const RUNS: usize = 20;

#[test]
fn busy_machine_violates_nothing() {
    let _machine = take_machine();
    let service = harness::reference_service();
    let busy = thread::available_parallelism().map_or(2, usize::from) * 2;
    let is_over = AtomicBool::new(false);
    let faults: Vec<String> = thread::scope(|scope| {
        for _ in 0..busy {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        let runs = 0..if is_full() { RUNS } else { 1 };
        let reports = runs.map(|_| verify(&["--level", "full"], &[argument(&service)]));
        let faults = reports.map(|report| report.details("violated")).collect();
        is_over.store(true, Ordering::Relaxed);
        faults
    });
    assert_eq!(faults.concat(), "");
}
