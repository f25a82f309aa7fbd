//! A model of the table: threads that begin and end requests beside a reader, in many orders.

use super::*;
use crate::sync::{atomic::AtomicUsize, check};

/// Begins a request whose values all follow from its number, and ends it on another thread if `moves`.
fn serve(table: &Arc<InFlightTable>, number: u8, moves: bool) -> bool {
    let id = [b'a' + number; 40];
    let began = BeganAt::of_nanos(number.into());
    let Some(entry) = table.begin(&id, began, number.into(), RequestPhase::Queued) else {
        return false;
    };
    table.set_phase(entry, RequestPhase::Response);
    if moves {
        let table = Arc::clone(table);
        shuttle::thread::spawn(move || table.end(entry))
            .join()
            .unwrap();
    } else {
        table.end(entry);
    }
    true
}

/// ADM-16
#[test]
fn model_requests_in_flight_are_never_torn() {
    check(|| {
        let table = InFlightTable::with_entries(2, 2);
        let served = Arc::new(AtomicUsize::new(0));
        let writers: Vec<_> = [0, 4]
            .into_iter()
            .map(|first| {
                let (table, served) = (Arc::clone(&table), Arc::clone(&served));
                shuttle::thread::spawn(move || {
                    for number in first..first + 3 {
                        if serve(&table, number, number % 2 == 1) {
                            served.fetch_add(1, Relaxed);
                        }
                    }
                })
            })
            .collect();
        for _ in 0..20 {
            for request in table.requests() {
                let number = request.id.as_bytes()[0] - b'a';
                assert_eq!(request.id.as_bytes(), [b'a' + number; 40]);
                assert_eq!(request.began, BeganAt::of_nanos(number.into()));
                assert_eq!(request.route, u32::from(number));
                assert_ne!(request.phase, RequestPhase::Handler);
            }
        }
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(table.requests().count(), 0, "every request has ended");
        assert!(served.load(Relaxed) >= 3, "a free entry is found");
        // All threads have ended, so no entry is kept elsewhere.
        KEPT.with(|kept| kept.borrow_mut().give_back());
        assert_eq!(lock(&table.free).len(), 2, "no entry is lost");
    });
}
