//! T-RT-03, T-RT-06, T-RT-07: workers, handlers and threads that are held.

use harness::{eventually, eventually_within, timed};

use super::{occupy, value, wait_for_in_flight};
use crate::support::{ms, start};

/// T-RT-03, SRV-7
#[test]
fn a_worker_that_is_blocked_leaves_new_connections_to_the_others() {
    let service = start(&[("WORKERS", "2")]);
    let mut stuck = occupy(&service, "/blocking?ms=5000");
    service.wait_for_record(|record| record["message"] == "worker_stuck");
    // These are kept, so that by its count it would soon be the turn of the blocked one.
    let mut kept: Vec<_> = (0..10).map(|_| service.connect()).collect();
    let mut times: Vec<_> = kept
        .iter_mut()
        .map(|connection| timed(|| assert_eq!(connection.get("/hello").status, 200)).1)
        .collect();
    times.extend((0..90).map(|_| timed(|| assert_eq!(service.get("/hello").status, 200)).1));
    times.sort_unstable();
    // The catalogue's limit is 100 ms; the median decides, since others use the machine too.
    assert!(times[50] < ms(100), "{:?}", times[50]);
    assert!(times[99] < ms(2000), "nobody waits for the blocked one");
    assert_eq!(stuck.read().text(), "blocking\n");
}

/// T-RT-06
#[test]
fn a_handler_is_dropped_within_a_second_of_its_clients_departure() {
    let service = start(&[("REQUEST_TIMEOUT", "60s")]);
    let clients: Vec<_> = (0..20).map(|_| occupy(&service, "/hang-told")).collect();
    let told = |message| service.records_with(message).len();
    eventually("all have begun", || {
        (told("handler_began") == 20).then_some(())
    });
    assert_eq!(told("handler_dropped"), 0);
    for (number, client) in clients.into_iter().enumerate() {
        match number % 2 {
            0 => client.reset(),
            _ => drop(client),
        }
    }
    let gone = eventually_within(ms(1000), || (told("handler_dropped") == 20).then_some(()));
    assert!(gone.is_some(), "{} of 20", told("handler_dropped"));
    wait_for_in_flight(&service, 0.0);
}

/// T-RT-07
#[test]
fn when_all_blocking_threads_are_taken_other_routes_do_not_notice() {
    // 512 threads, however many workers there are.
    let service = start(&[("WORKERS", "1"), ("MAX_IN_FLIGHT", "1000")]);
    let before = value(&service, "process_threads");
    let mut sleepers: Vec<_> = (0..600)
        .map(|_| occupy(&service, "/sleep-blocking?ms=1500"))
        .collect();
    eventually("all threads are there", || {
        (value(&service, "process_threads") >= before + 511.0).then_some(())
    });
    wait_for_in_flight(&service, 600.0);
    for _ in 0..20 {
        let (answer, took) = timed(|| service.get("/hello"));
        assert_eq!(answer.status, 200);
        assert!(took < ms(1000), "{took:?}");
    }
    assert_eq!(service.get("/ready").status, 200);
    assert!(value(&service, "process_threads") <= before + 512.0);
    // Those who found no thread waited for one.
    for sleeper in &mut sleepers {
        assert_eq!(sleeper.read().text(), "slept\n");
    }
}
