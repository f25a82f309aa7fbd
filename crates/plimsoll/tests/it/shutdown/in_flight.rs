//! Requests in flight at the shutdown: complete, or cut off and reported.

use std::time::Duration;

use harness::{Signal, request};

use super::{FLUSH, MARGIN, in_flight, report};
use crate::in_flight::{occupy, wait_for_in_flight};
use crate::support::{END, ms, start};

/// LIFE-1
#[test]
fn requests_in_flight_complete_and_end_the_wait() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let mut slow = in_flight(&service, "/slow?ms=1000");
    let mut stream = in_flight(&service, "/stream?chunks=10&ms=100");
    service.signal(Signal::Term);
    assert_eq!(slow.read().text(), "slow\n");
    assert_eq!(stream.read().body.len(), 10 * 1024);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < ms(1000) + MARGIN, "{:?}", ended.took);
    assert_eq!(ended.records_with("http_request").len(), 2);
}

/// LIFE-1, LIFE-6
#[test]
fn unfinished_requests_are_cut_off_with_exit_status_3() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "300ms")]);
    let mut hanging = in_flight(&service, "/hang");
    service.signal(Signal::Term);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(3));
    assert!(
        (ms(250)..ms(300) + FLUSH + MARGIN).contains(&ended.took),
        "{:?}",
        ended.took
    );
    let report = report(&ended);
    assert_eq!(report["exitStatus"], 3);
    assert_eq!(report["requestsCutOff"], 1);
    // A request that was cut off has exactly one record, too.
    let access = ended.records_with("http_request");
    assert_eq!(access.len(), 1);
    assert_eq!(access[0]["aborted"], true);
    drop(hanging.read_to_end());
}

/// LIFE-1
#[test]
fn client_that_reads_nothing_does_not_delay_the_exit() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "300ms")]);
    let mut connection = service.connect();
    connection.set_receive_buffer(4096);
    connection.send(request("GET", "/stream?chunks=100000&ms=0", ""));
    wait_for_in_flight(&service, 1.0);
    service.signal(Signal::Term);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(3));
    assert!(ended.took < ms(300) + FLUSH + MARGIN, "{:?}", ended.took);
}

/// LIFE-1: with the only worker blocked, and with another one beside it.
#[test]
fn blocking_handler_does_not_delay_the_exit() {
    for workers in ["1", "2"] {
        let service = start(&[("SHUTDOWN_TIMEOUT", "300ms"), ("WORKERS", workers)]);
        let mut connection = service.connect();
        connection.send(request("GET", "/blocking?ms=60000", ""));
        // A scrape might reach the blocked worker, so wait for the handler instead.
        assert!(!connection.ends_within(ms(200)), "{workers} workers");
        service.signal(Signal::Term);
        let ended = service.wait(END);
        assert_eq!(ended.code, Some(3), "{workers} workers");
        assert!(
            ended.took < ms(300) + FLUSH + MARGIN,
            "{workers} workers: {:?}",
            ended.took
        );
        assert_eq!(report(&ended)["exitStatus"], 3, "{workers} workers");
    }
}

/// LIFE-1: a response in hyper's buffer is in flight until its client has read it.
#[test]
fn slowly_read_response_survives_drain_and_idle_timeout() {
    let service = start(&[("IDLE_TIMEOUT", "300ms"), ("SHUTDOWN_TIMEOUT", "20s")]);
    let mut slow = service.connect();
    slow.set_receive_buffer(64 * 1024);
    slow.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = slow.read_head();
    assert_eq!(head.status, 200);
    service.signal(Signal::Term);
    // Longer than the idle timeout, and than the drain waits for a partial head.
    std::thread::sleep(ms(800));
    let rest = slow.read_to_end();
    assert_eq!(rest.len(), 32 << 20);
    let ended = service.wait(Duration::from_secs(30));
    assert_eq!(ended.code, Some(0));
}

/// LIFE-1: a response that is cut off while it is read is reported.
#[test]
fn response_cut_off_while_it_is_read_is_reported() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "300ms")]);
    let mut never = service.connect();
    never.set_receive_buffer(4096);
    never.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    never.read_head();
    let ended = service.terminate();
    assert_eq!(ended.code, Some(3));
    assert_eq!(ended.records().last().unwrap()["requestsCutOff"], 1);
}

#[test]
fn stalled_connections_and_handlers_do_not_delay_the_exit() {
    const HANGING: usize = 10;
    let service = start(&[
        ("DRAIN_DELAY", "200ms"),
        ("SHUTDOWN_TIMEOUT", "500ms"),
        ("WORKERS", "4"),
    ]);
    let mut open: Vec<_> = (0..HANGING)
        .map(|number| occupy(&service, &format!("/hang?n={number}")))
        .collect();
    open.push(occupy(&service, "/sleep-blocking?ms=300000"));
    let mut unread = service.connect();
    unread.set_receive_buffer(4096);
    unread.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    unread.read_head();
    open.push(unread);
    // By then the whole large response is buffered, and none of it was read.
    wait_for_in_flight(&service, 11.0);
    // One holds the lock, the other waits for it: two of four workers are blocked.
    for _ in 0..2 {
        open.push(occupy(&service, "/held?ms=300000"));
    }
    service.wait_for_record(|record| record["message"] == "worker_stuck");
    service.signal(Signal::Term);
    let ended = service.wait(END);
    assert_eq!((ended.code, ended.signal), (Some(3), None));
    // Delay, limit and flush, and tolerance for a busy machine.
    let budget = ms(200) + ms(500) + Duration::from_secs(3) + ms(1500);
    assert!(ended.took < budget, "{:?}", ended.took);
    let records = ended.records();
    let report = records.last().unwrap();
    assert_eq!(report["message"], "shutdown_complete");
    assert_eq!(report["exitStatus"], 3);
    // The worker of the unread response reports it, and may be blocked.
    let cut_off = report["requestsCutOff"].as_u64().unwrap();
    assert!((13..=14).contains(&cut_off), "{report}");
    // A request cut off on a running worker has its record, with its id.
    let cut: Vec<_> = records
        .iter()
        .filter(|record| record["message"] == "http_request" && record["aborted"] == true)
        .collect();
    assert!(!cut.is_empty());
    assert!(cut.iter().all(|record| record["request_id"] != "-"));
}
