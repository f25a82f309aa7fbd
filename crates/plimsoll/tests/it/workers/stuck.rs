//! Workers that a handler blocks, and processes that were stopped.

use harness::{eventually, eventually_within, request, timed};
use serde_json::Value;

use crate::in_flight::{occupy, value, wait_for_in_flight};
use crate::support::{ms, start};

/// SRV-7
#[test]
fn blocked_worker_leaves_new_connections_to_others() {
    let service = start(&[("WORKERS", "2")]);
    let mut stuck = occupy(&service, "/blocking?ms=5000");
    service.wait_for_record(|record| record["message"] == "worker_stuck");
    // These connections stay open, so that the blocked worker has the fewest.
    let mut kept: Vec<_> = (0..10).map(|_| service.connect()).collect();
    let mut times: Vec<_> = kept
        .iter_mut()
        .map(|connection| timed(|| assert_eq!(connection.get("/hello").status, 200)).1)
        .collect();
    times.extend((0..90).map(|_| timed(|| assert_eq!(service.get("/hello").status, 200)).1));
    times.sort_unstable();
    // The limit is 100 ms for the median, since other processes use the machine too.
    assert!(times[50] < ms(100), "{:?}", times[50]);
    assert!(times[99] < ms(2000), "no request waits for the blocked one");
    assert_eq!(stuck.read().text(), "blocking\n");
}

#[test]
fn handler_is_dropped_within_a_second_of_a_disconnect() {
    let service = start(&[("REQUEST_TIMEOUT", "60s")]);
    let clients: Vec<_> = (0..20).map(|_| occupy(&service, "/hang-logged")).collect();
    let count_of = |message| service.records_with(message).len();
    eventually("all have begun", || {
        (count_of("handler_began") == 20).then_some(())
    });
    assert_eq!(count_of("handler_dropped"), 0);
    for (number, client) in clients.into_iter().enumerate() {
        match number % 2 {
            0 => client.reset(),
            _ => drop(client),
        }
    }
    let gone = eventually_within(ms(1000), || {
        (count_of("handler_dropped") == 20).then_some(())
    });
    assert!(gone.is_some(), "{} of 20", count_of("handler_dropped"));
    wait_for_in_flight(&service, 0.0);
}

#[test]
fn exhausted_blocking_pool_does_not_delay_other_routes() {
    // 512 threads, for any number of workers.
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
    // Requests without a thread waited for one.
    for sleeper in &mut sleepers {
        assert_eq!(sleeper.read().text(), "slept\n");
    }
}

/// SRV-7: a blocked worker is detected within two seconds.
#[test]
fn stuck_worker_and_its_recovery_are_logged() {
    let service = start(&[("WORKERS", "2")]);
    let mut stuck = occupy(&service, "/blocking?ms=3500");
    let record = service.wait_for_record(|record| record["message"] == "worker_stuck");
    assert_eq!(record["levelname"], "WARNING");
    let worker = record["worker"].as_str().unwrap();
    assert!(["worker-0", "worker-1"].contains(&worker), "{record}");
    assert!(record["silentMs"].as_u64().unwrap() <= 2500, "{record}");
    // A connection of another worker is served meanwhile.
    assert_eq!(service.get("/hello").status, 200);
    let labels = [("worker", worker.trim_start_matches("worker-"))];
    let silence = service
        .metrics()
        .value("runtime_worker_silence_seconds", &labels)
        .unwrap();
    assert!(silence > 1.0, "{silence}");
    assert_eq!(stuck.read().status, 200);
    let record = service.wait_for_record(|record| record["message"] == "worker_recovered");
    assert_eq!(record["worker"], worker);
}

/// SRV-7
#[test]
fn stuck_worker_names_route_and_request() {
    let service = start(&[("WORKERS", "1")]);
    for id in ["demo-1", &"0123456789abcdef".repeat(8)] {
        let mut stuck = service.connect();
        let header = format!("X-Request-ID: {id}\r\n");
        stuck.send(request("GET", "/blocking?ms=2500", &header));
        let is_it =
            |record: &Value| record["message"] == "worker_stuck" && record["request_id"] == id;
        let record = service.wait_for_record(is_it);
        assert_eq!(record["path"], "/blocking", "{record}");
        // The request began up to 0.5 s after the last heartbeat of its worker.
        let age = record["requestAgeMs"].as_u64().unwrap();
        assert!((900..=2500).contains(&age), "{record}");
        assert_eq!(stuck.read().status, 200);
        // The next blocked request has another id.
        service.wait_for_record(|record| record["message"] == "worker_recovered");
    }
    let mut stuck = occupy(&service, "/blocking?ms=2500");
    let answer = stuck.read();
    let id = answer.header("x-request-id").unwrap();
    let stuck = service.records_with("worker_stuck");
    assert_eq!(stuck.last().unwrap()["request_id"], id);
    assert_eq!(stuck.len(), 3, "{stuck:?}");
}

/// SIG-4, SRV-7: a process that was stopped and continued reports no stuck worker.
#[test]
fn stopped_process_reports_no_stuck_worker() {
    let service = start(&[]);
    service.signal(harness::Signal::Stop);
    // Longer than the heartbeat timeout: the pause is the tested condition.
    std::thread::sleep(ms(3000));
    service.signal(harness::Signal::Cont);
    assert_eq!(service.get("/hello").status, 200);
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.records_with("worker_stuck").is_empty());
}

/// SRV-1, SRV-2: data that arrived during the stop is read before a deadline is checked.
#[test]
fn stop_of_the_process_times_out_no_client() {
    const EACH: usize = 20;
    let limits = ["READ_TIMEOUT", "IDLE_TIMEOUT", "REQUEST_TIMEOUT"];
    let service = start(&limits.map(|limit| (limit, "2s")));
    let get = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nunique";
    let mut waiting = Vec::new();
    for (request, sent) in [(get, 10), (post, post.len() - 3), (get, 0)] {
        for _ in 0..EACH {
            let mut connection = service.connect();
            if sent == 0 {
                // The connection is idle, and not new.
                assert_eq!(connection.get("/hello").status, 200);
            }
            connection.send(&request[..sent]);
            waiting.push((connection, &request[sent..]));
        }
    }
    service.signal(harness::Signal::Stop);
    for (connection, rest) in &mut waiting {
        connection.send(rest);
    }
    // Longer than each limit: the pause is the tested condition.
    std::thread::sleep(ms(3000));
    service.signal(harness::Signal::Cont);
    for (connection, _) in &mut waiting {
        assert_eq!(connection.read().status, 200);
    }
    // Missing data still times out.
    assert!(service.connect().ends_within(ms(6000)));
}
