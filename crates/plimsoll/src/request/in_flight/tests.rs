//! Tests of the table of requests in flight, with real threads.

use std::time::Duration;

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
    let table = InFlightTable::new();
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
fn full_table_lists_no_further_request() {
    let table = InFlightTable::with_entries(100);
    let entries: Vec<_> = (0..100).map(|_| begin(&table, "one")).collect();
    assert!(entries.iter().all(Option::is_some));
    assert_eq!(begin(&table, "two"), None);
    assert_eq!(table.requests().count(), 100);
    for entry in entries.into_iter().flatten() {
        table.end(entry);
    }
    assert!(begin(&table, "two").is_some());
}

#[test]
fn entries_move_between_threads_and_tables() {
    let (table, other) = (InFlightTable::with_entries(100), InFlightTable::new());
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
    let table = InFlightTable::with_entries(8);
    let deadline = Instant::now() + Duration::from_secs(30);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2u8)
            .map(|writer| {
                let table = &table;
                scope.spawn(move || {
                    for turn in 0..200_000u32 {
                        let digit = b'a' + u8::try_from(turn % 13).unwrap() + 13 * writer;
                        let began = BeganAt::of_nanos(digit.into());
                        let id = [digit; 40];
                        let route = digit.into();
                        // Entries that the other thread keeps are not free.
                        if let Some(entry) = table.begin(&id, began, route, RequestPhase::Queued) {
                            table.set_phase(entry, RequestPhase::Response);
                            table.end(entry);
                        }
                    }
                })
            })
            .collect();
        let mut found = 0;
        while !writers.iter().all(|writer| writer.is_finished()) {
            assert!(Instant::now() < deadline, "{found} requests were read");
            for request in table.requests() {
                let digit = request.id.as_bytes()[0];
                assert_eq!(request.id.as_bytes(), [digit; 40]);
                assert_eq!(request.began, BeganAt::of_nanos(digit.into()));
                assert_eq!(request.route, u32::from(digit));
                found += 1;
            }
        }
        assert!(found > 0, "the reader has found requests");
    });
}
