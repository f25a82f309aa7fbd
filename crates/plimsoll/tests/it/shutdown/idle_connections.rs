//! Idle connections at the shutdown: they do not delay the exit.

use harness::Connection;

use super::{MARGIN, report};
use crate::support::{ms, scratch_file, start};

/// LIFE-2
#[test]
fn idle_connections_do_not_delay_the_exit() {
    let service = start(&[
        ("IDLE_TIMEOUT", "120s"),
        ("READ_TIMEOUT", "60s"),
        ("SHUTDOWN_TIMEOUT", "20s"),
    ]);
    let mut idle: Vec<Connection> = (0..30).map(|_| service.connect()).collect();
    for (number, connection) in idle.iter_mut().enumerate() {
        match number % 3 {
            // After a request, silent from the start, and with a partial head.
            0 => assert_eq!(connection.get("/hello").status, 200),
            1 => {}
            _ => connection.send("GET /hello HTTP/1.1\r\nHo"),
        }
    }
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < MARGIN, "{:?}", ended.took);
}

/// LIFE-2: an unread body that has arrived does not delay the exit.
#[test]
fn idle_connection_with_an_unread_body_does_not_delay_the_exit() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(connection.read().status, 405);
    // Right after its response a connection may still count as active.
    std::thread::sleep(ms(100));
    let ended = service.terminate();
    assert!(ended.took < ms(1800), "{:?}", ended.took);
    drop(connection);
}

/// LIFE-2: a connection without a request is not awaited.
#[test]
fn silent_connection_delays_the_exit_only_briefly() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let silent = service.connect();
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < ms(5000), "{:?}", ended.took);
    drop(silent);
}

/// LIFE-1: an ordinary shutdown logs no warning.
#[test]
fn shutdown_without_traffic_is_quick_and_logs_no_warning() {
    for _ in 0..10 {
        let ended = start(&[("WORKERS", "4")]).terminate();
        assert_eq!(ended.code, Some(0));
        let report = report(&ended);
        for phase in ["lameDuckMs", "drainMs", "hooksMs"] {
            assert!(report[phase].as_u64().unwrap() < 1000, "{phase}: {report}");
        }
        for record in ended.records() {
            assert_eq!(record["levelname"], "INFO", "{record}");
        }
    }
}

/// LIFE-1: workers that share a unix socket release it in any order.
#[test]
fn shutdown_on_a_unix_socket_is_quick_with_any_workers() {
    let path = scratch_file("shared-socket", "");
    std::fs::remove_file(&path).unwrap();
    let host = format!("unix:{path}");
    for _ in 0..20 {
        let ended = start(&[("HOST", &host), ("WORKERS", "8")]).terminate();
        assert_eq!(ended.code, Some(0));
        assert!(ended.took < ms(2000), "{:?}", ended.took);
    }
    std::fs::remove_file(format!("{path}.lock")).unwrap();
}
