//! Tests of the table of requests in flight, with real threads.

use std::{
    sync::{Barrier, atomic::AtomicBool},
    time::Duration,
};

use tokio::time::Instant;

use super::*;

fn begin(table: &Arc<InFlightTable>, id: &str) -> Option<EntryId> {
    let began = BeganAt::new(Instant::now());
    table.begin(id.as_bytes(), began, 0, RequestPhase::Queued)
}

fn ids(table: &InFlightTable) -> Vec<String> {
    let mut ids: Vec<_> = table.requests().map(|request| request.id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn entry_is_one_cache_line() {
    assert_eq!(size_of::<Entry>(), 64);
}

/// ADM-16
#[test]
fn request_is_listed_until_it_ends() {
    let table = InFlightTable::new(1);
    let one = begin(&table, "one").unwrap();
    let long = begin(&table, &"x".repeat(128)).unwrap();
    assert_eq!(ids(&table), ["one", &"x".repeat(40)]);
    table.set_route(one, 7);
    table.set_phase(one, RequestPhase::Response);
    table.end(long);
    let request = table.requests().next().unwrap();
    assert_eq!((request.route, request.worker), (7, None));
    assert_eq!(request.phase, RequestPhase::Response);
    table.end(one);
    assert_eq!(table.requests().next(), None);
}

/// ADM-16
#[test]
fn queued_request_has_the_worker_that_starts_its_handler() {
    let table = InFlightTable::new(2);
    let queued = begin(&table, "queued").unwrap();
    let worker = || table.requests().next().unwrap().worker;
    assert_eq!(worker(), None);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            crate::request::note_polled(1);
            table.set_phase(queued, RequestPhase::Handler);
        });
    });
    assert_eq!(worker(), Some(1));
    table.set_phase(queued, RequestPhase::Response);
    assert_eq!(worker(), Some(1));
}

/// ADM-16
#[test]
fn full_table_lists_no_further_request() {
    let table = InFlightTable::with_entries(100, 1);
    let entries: Vec<_> = (0..100).map(|_| begin(&table, "one")).collect();
    assert!(entries.iter().all(Option::is_some));
    assert_eq!(begin(&table, "two"), None);
    assert_eq!(table.requests().count(), 100);
    for entry in entries.into_iter().flatten() {
        table.end(entry);
    }
    assert!(begin(&table, "two").is_some());
}

/// ADM-16
#[test]
fn idle_workers_leave_half_of_the_entries() {
    const WORKERS: usize = 32;
    let table = InFlightTable::with_entries(128, WORKERS);
    let (have_served, end) = (Barrier::new(WORKERS + 1), Barrier::new(WORKERS + 1));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let entries = [begin(&table, "one"), begin(&table, "one")];
                for entry in entries.into_iter().flatten() {
                    table.end(entry);
                }
                have_served.wait();
                end.wait();
            });
        }
        have_served.wait();
        let entries: Vec<_> = (0..64).map(|_| begin(&table, "two")).collect();
        end.wait();
        assert!(entries.iter().all(Option::is_some), "{entries:?}");
    });
}

#[test]
fn entries_move_between_threads_and_tables() {
    let (table, other) = (InFlightTable::with_entries(100, 1), InFlightTable::new(1));
    // One thread begins all requests, another ends them.
    for _ in 0..10 {
        let entries: Vec<_> = (0..100).map(|_| begin(&table, "one").unwrap()).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for entry in entries {
                    table.end(entry);
                    let entry = begin(&other, "two").unwrap();
                    other.end(entry);
                }
            });
        });
    }
    drop(other);
    assert_eq!(table.requests().next(), None);
}

/// ADM-16
#[test]
fn requests_in_flight_are_never_torn() {
    /// Ends the writers, also if the reader panics.
    struct EndWriters<'a>(&'a AtomicBool);
    impl Drop for EndWriters<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let (table, is_over) = (
        InFlightTable::with_entries(4 * 32, 2),
        AtomicBool::new(false),
    );
    std::thread::scope(|scope| {
        let _end = EndWriters(&is_over);
        for writer in 0..2u8 {
            let (table, is_over) = (&table, &is_over);
            scope.spawn(move || {
                for turn in (0..13u8).cycle() {
                    let digit = b'a' + turn + 13 * writer;
                    let began = BeganAt::of_nanos(digit.into());
                    let id = [digit; 40];
                    let entry = table.begin(&id, began, digit.into(), RequestPhase::Queued);
                    let entry = entry.expect("there are entries for two threads");
                    table.set_phase(entry, RequestPhase::Response);
                    table.end(entry);
                    if is_over.load(Relaxed) {
                        break;
                    }
                }
            });
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut found = 0;
        while found < 1000 {
            assert!(Instant::now() < deadline, "{found} requests were read");
            for request in table.requests() {
                let digit = request.id.as_bytes()[0];
                assert_eq!(request.id.as_bytes(), [digit; 40]);
                assert_eq!(request.began, BeganAt::of_nanos(digit.into()));
                assert_eq!(request.route, u32::from(digit));
                found += 1;
            }
        }
    });
}
