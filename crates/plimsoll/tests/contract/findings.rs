//! What attackers and readers of the code have found, so that it stays mended.

use std::time::Duration;

use harness::{Connection, Process, Signal, eventually, eventually_within};

use crate::support::{END, assert_problem, ms, start};

/// LIFE-1: an answer that hyper holds already is in flight until its client has taken it.
#[test]
fn an_answer_that_is_being_taken_slowly_survives_drain_and_idle_limit() {
    let service = start(&[("IDLE_TIMEOUT", "300ms"), ("SHUTDOWN_TIMEOUT", "20s")]);
    let mut slow = service.connect();
    slow.set_receive_buffer(64 * 1024);
    slow.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = slow.read_head();
    assert_eq!(head.status, 200);
    service.signal(Signal::Term);
    // Longer than the idle limit, and than a connection with half a head has while draining.
    std::thread::sleep(ms(800));
    let rest = slow.read_to_end();
    assert_eq!(rest.len(), 32 << 20);
    let ended = service.wait(Duration::from_secs(30));
    assert_eq!(ended.code, Some(0));
}

/// LIFE-1: what is cut off while it is being taken is told.
#[test]
fn an_answer_that_is_cut_off_while_it_is_taken_is_reported() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "300ms")]);
    let mut never = service.connect();
    never.set_receive_buffer(4096);
    never.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    never.read_head();
    let ended = service.terminate();
    assert_eq!(ended.code, Some(3));
    assert_eq!(ended.records().last().unwrap()["requestsCutOff"], 1);
}

/// LIFE-2: a body that nobody read, and that is here, delays no exit.
#[test]
fn an_idle_connection_whose_body_nobody_read_does_not_delay_the_end() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(connection.read().status, 405);
    // Right after its answer a connection may still be one that is about to be closed.
    std::thread::sleep(ms(100));
    let ended = service.terminate();
    assert!(ended.took < ms(1800), "{:?}", ended.took);
    drop(connection);
}

/// Whether a connection that `before` has used gets an answer to `rest` in the drain.
#[track_caller]
fn is_answered_in_the_drain(before: impl Fn(&mut Connection), rest: &str) -> bool {
    // The time for it is short, so that on a busy machine it may be over before it is used.
    (0..10).any(|_| {
        let service = start(&[]);
        let mut connection = service.connect();
        before(&mut connection);
        service.signal(Signal::Term);
        service.wait_for_record(|record| record["message"] == "shutdown_started");
        let closed = eventually_within(ms(200), || service.try_connect().is_err().then_some(()));
        // Every connection has been told by then, which shows nowhere.
        std::thread::sleep(ms(50));
        let sent = connection.try_send(rest);
        let answer = sent.ok().and_then(|()| connection.read_or_end());
        if let Some(answer) = &answer {
            assert_eq!(answer.text(), "hello\n");
            assert_eq!(answer.header("connection"), Some("close"));
        }
        let ended = service.wait(END);
        assert_eq!(ended.code, Some(0));
        closed.is_some() && answer.is_some()
    })
}

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/// LIFE-1: a client that has just connected is about to send a request.
#[test]
fn a_request_that_is_on_its_way_when_the_drain_begins_is_answered() {
    assert!(is_answered_in_the_drain(|_| {}, HELLO));
}

/// LIFE-1: a client may take longer than the drain gives it between connect and request.
#[test]
fn old_silent_connection_gets_an_answer_in_the_drain() {
    assert!(is_answered_in_the_drain(
        |_| std::thread::sleep(ms(300)),
        HELLO
    ));
}

/// LIFE-1: no response has announced the close.
#[test]
fn idle_connection_gets_a_last_answer_in_the_drain() {
    let before = |kept: &mut Connection| assert_eq!(kept.get("/hello").status, 200);
    assert!(is_answered_in_the_drain(before, HELLO));
}

/// LIFE-1
#[test]
fn half_a_head_before_the_drain_is_answered() {
    let (first, rest) = HELLO.split_at(20);
    let before = |kept: &mut Connection| {
        assert_eq!(kept.get("/hello").status, 200);
        kept.send(first);
    };
    assert!(is_answered_in_the_drain(before, rest));
}

/// LIFE-2: whoever has connected and does not ask is not waited for.
#[test]
fn a_connection_that_stays_silent_delays_the_end_by_a_moment_only() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let silent = service.connect();
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < ms(5000), "{:?}", ended.took);
    drop(silent);
}

/// LIFE-3: a second signal hurries hooks that have begun.
#[test]
fn a_second_signal_while_a_hook_runs_ends_the_service() {
    let service = start(&[("HOOK_MS", "60000"), ("HOOK_LIMIT_MS", "2000")]);
    service.signal(Signal::Term);
    service.wait_for_record(|record| record["message"] == "shutdown_started");
    // The least time between two signals that count as two, from when the first has arrived.
    std::thread::sleep(ms(1050));
    service.signal(Signal::Term);
    let ended = service.wait(Duration::from_secs(10));
    assert_eq!(ended.code, Some(3));
    assert!(ended.took < ms(1000), "{:?}", ended.took);
    assert_eq!(ended.records().last().unwrap()["hooksCutOff"], 3);
}

/// LIFE-1: a worker that is stuck keeps the port open for nobody.
#[test]
fn a_stuck_worker_does_not_keep_the_port_open() {
    let service = start(&[("WORKERS", "2"), ("SHUTDOWN_TIMEOUT", "3s")]);
    let mut stuck = service.connect();
    stuck.send("GET /blocking?ms=5000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    service.wait_for_record(|record| record["message"] == "worker_stuck");
    service.signal(Signal::Term);
    eventually("the port is closed", || {
        service.try_connect().is_err().then_some(())
    });
    assert!(service.is_alive(), "it waits for the request in flight");
}

/// SRV-2: the limit of a route counts behind a layer that waits, too.
#[test]
fn a_routes_own_deadline_counts_behind_a_layer_that_waits() {
    let service = start(&[("REQUEST_TIMEOUT", "200ms")]);
    assert_eq!(service.get("/patient?ms=500").status, 200);
    assert_eq!(service.get("/slow?ms=500").status, 503);
}

/// HTTP-7: a handler's own page for a body that is too large is its own.
#[test]
fn a_handlers_own_page_for_a_large_body_is_left_alone() {
    let service = start(&[]);
    let answer = service.request(crate::support::post("/limited/own-413", &"x".repeat(2000)));
    assert_eq!((answer.status, answer.text()), (413, "own 413\n"));
    assert_problem(
        &service.request(crate::support::post("/limited/upload", &"x".repeat(2000))),
        413,
    );
}

/// SRV-3, SRV-4: whoever is refused before anything is read can read the refusal.
#[test]
fn early_refusals_can_be_read_by_clients_that_send_everything_first() {
    let service = start(&[("MAX_IN_FLIGHT", "1")]);
    let mut busy = service.connect();
    busy.send("GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n");
    busy.read_head();
    let mut hanging = service.connect();
    hanging.send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
    eventually("the slot is taken", || {
        (service.metrics().value("http_requests_in_flight", &[]) == Some(2.0)).then_some(())
    });
    let body = "x".repeat(8 << 20);
    for (path, status) in [("/hello", 503), ("/health", 405)] {
        let mut connection = service.connect();
        connection.send(crate::support::post(path, &body));
        assert_eq!(connection.read().status, status, "{path}");
    }
}

/// SRV-5: panics that the service catches itself are recorded once, and never taken for others.
#[test]
fn a_panic_that_the_service_catches_itself_is_still_recorded_once() {
    let service = start(&[]);
    assert_eq!(service.get("/swallowed-panic").status, 200);
    assert_eq!(service.get("/panic").status, 500);
    let ended = service.terminate();
    let mut texts: Vec<_> = ended
        .records_with("panic")
        .iter()
        .map(|record| record["panicMessage"].as_str().unwrap().to_owned())
        .collect();
    // Records of different workers have no order among them.
    texts.sort();
    assert_eq!(texts, ["fixture panic", "swallowed"]);
}

/// SRV-5, RID-3: a body that panics while it is dropped touches nothing else.
#[test]
fn a_panic_in_the_drop_of_a_body_belongs_to_its_request() {
    let service = start(&[]);
    let mut connection = service.connect();
    let request = |id| format!("GET /evil-drop HTTP/1.1\r\nHost: a\r\nX-Request-ID: {id}\r\n\r\n");
    for id in ["evil-1", "evil-2"] {
        connection.send(request(id));
        let answer = connection.read();
        assert_eq!((answer.status, answer.text()), (200, "evil\n"));
        service.wait_for_record(|r| r["message"] == "panic" && r["request_id"] == id);
    }
}

/// LOG-9: records say what was sent.
#[test]
fn an_interim_status_from_a_handler_is_a_500_in_wire_and_record() {
    let service = start(&[]);
    assert_problem(&service.get("/interim"), 500);
    let record = service.wait_for_record(|record| record["path"] == "/interim");
    assert_eq!(record["status"], 500);
}

/// LIFE-4, CFG-3: a profile that is a pipe is a mistake, and holds nobody up.
#[test]
fn a_profile_that_is_no_regular_file_is_a_mistake() {
    let path = crate::support::scratch_file("fifo", "");
    std::fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    for variable in ["ENV_FILE", "SECRET_KEY_FILE"] {
        let ended = crate::support::run(&[], &[(variable, path.as_str())]);
        assert_eq!(ended.code, Some(78), "{variable}");
        assert!(ended.stderr.contains("regular file"), "{}", ended.stderr);
    }
    std::fs::remove_file(&path).unwrap();
}

/// Two services cannot have one unix socket, at whatever moment the second comes.
#[test]
fn a_second_service_cannot_take_a_unix_socket_whose_owner_is_in_set_up() {
    let path = crate::support::scratch_file("socket", "");
    std::fs::remove_file(&path).unwrap();
    let host = format!("unix:{path}");
    let first = Process::spawn(
        crate::support::fixture(),
        &[("HOST", &host), ("SETUP_MS", "800")],
    );
    eventually("the first has bound it", || {
        std::fs::exists(&path).unwrap().then_some(())
    });
    let second = crate::support::run(&[], &[("HOST", &host)]);
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    first.wait_until_ready();
    assert_eq!(first.get("/hello").status, 200);
    assert_eq!(first.terminate().code, Some(0));
    assert!(!std::fs::exists(&path).unwrap());
    std::fs::remove_file(format!("{path}.lock")).unwrap();
}

/// LIFE-1: an ordinary end complains of nothing.
#[test]
fn an_end_without_traffic_is_quick_and_complains_of_nothing() {
    for _ in 0..10 {
        let ended = start(&[("WORKERS", "4")]).terminate();
        assert_eq!(ended.code, Some(0));
        assert!(ended.records_with("accept_failed").is_empty());
    }
}

/// LIFE-1: workers that share a unix socket let go of it, whichever is first.
#[test]
fn an_end_on_a_unix_socket_is_quick_with_any_number_of_workers() {
    let path = crate::support::scratch_file("shared-socket", "");
    std::fs::remove_file(&path).unwrap();
    let host = format!("unix:{path}");
    for _ in 0..20 {
        let ended = start(&[("HOST", &host), ("WORKERS", "8")]).terminate();
        assert_eq!(ended.code, Some(0));
        assert!(ended.took < ms(2000), "{:?}", ended.took);
    }
    std::fs::remove_file(format!("{path}.lock")).unwrap();
}
