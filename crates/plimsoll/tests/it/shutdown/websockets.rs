//! WebSockets and event streams at the shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::routing::any;
use harness::{Connection, Process, Signal, eventually, request};
use plimsoll::shutdown::keep_open;
use plimsoll::testing::TestService;
use plimsoll::{App, ShutdownToken, build_info};
use tokio::sync::oneshot;

use crate::support::{END, assert_problem, ms, start};

const OPCODE_TEXT: u8 = 0x81;

/// Returns a frame of a client (RFC 6455, 5.2), with a mask that changes nothing.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a frame is short");
    let mut frame = vec![opcode, 0x80 | length, 0, 0, 0, 0];
    frame.extend(payload);
    frame
}

fn upgrade(path: &str, protocol: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

fn websocket(service: &Process) -> Connection {
    websocket_at(service, "/websocket")
}

fn websocket_at(service: &Process, path: &str) -> Connection {
    let mut connection = service.connect();
    connection.send(upgrade(path, "websocket"));
    assert_eq!(connection.read_head().status, 101);
    connection
}

/// LIFE-9
#[test]
fn websocket_is_closed_with_1001_at_shutdown() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let mut sockets: Vec<_> = (0..50).map(|_| websocket(&service)).collect();
    for socket in &mut sockets {
        socket.send(frame(OPCODE_TEXT, b"hello"));
    }
    for socket in &mut sockets {
        socket.wait_for_bytes();
    }
    service.signal(Signal::Term);
    for socket in &mut sockets {
        // The client sends no Close frame, and is closed anyway.
        let said = socket.read_to_end();
        assert!(said.starts_with(b"\x81\x05hello\x88"), "{said:?}");
        assert_eq!(
            said[9..11],
            1001_u16.to_be_bytes(),
            "it says that it goes away"
        );
    }
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.records_with("shutdown_complete")[0]["requestsCutOff"],
        0
    );
}

/// LIFE-9
#[test]
fn event_stream_is_completed_at_shutdown() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let mut streams: Vec<_> = (0..20).map(|_| service.connect()).collect();
    for stream in &mut streams {
        stream.send(request("GET", "/events", ""));
        assert_eq!(stream.read_head().status, 200);
        stream.wait_for_bytes();
    }
    service.signal(Signal::Term);
    for stream in &mut streams {
        let said = stream.read_to_end();
        assert!(said.ends_with(b"\r\n0\r\n\r\n"), "the last chunk is there");
    }
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    let records = ended.records_with("http_request");
    assert_eq!(records.len(), 20);
    assert!(records.iter().all(|record| record["aborted"].is_null()));
}

/// LIFE-9: a WebSocket that starts now would be closed at once.
#[test]
fn websocket_upgrade_is_rejected_during_shutdown() {
    let service = start(&[("DRAIN_DELAY", "20s")]);
    service.signal(Signal::Term);
    service.wait_for_record(|record| record["message"] == "shutdown_started");
    let refused = service.request(upgrade("/websocket", "websocket"));
    assert_problem(&refused, 503);
    assert!(refused.header("retry-after").is_some());
    // An optional upgrade offer is ignored.
    assert_eq!(service.request(upgrade("/hello", "h2c")).status, 200);
}

/// SRV-4, LIFE-9: it keeps its connection slot, and is awaited like a request.
#[test]
fn unaware_upgraded_connection_is_cut_off_and_reported() {
    let env = [("SHUTDOWN_TIMEOUT", "500ms"), ("MAX_CONNECTIONS", "1")];
    let service = start(&env);
    let mut socket = service.connect();
    socket.send(upgrade("/upgrade", "echo"));
    assert_eq!(socket.read_head().status, 101);
    // The only connection slot is held by a connection that is not idle.
    eventually("a further connection is rejected", || {
        (service.try_connect().ok()?.get("/hello").status == 503).then_some(())
    });
    socket.send("still here");
    socket.wait_for_bytes();
    let ended = service.terminate();
    assert_eq!(ended.code, Some(3));
    let report = &ended.records_with("shutdown_complete")[0];
    assert_eq!(report["requestsCutOff"], 1, "{report}");
    assert!(report["drainMs"].as_f64().unwrap() >= 500.0, "{report}");
}

/// MET-6
#[test]
fn upgraded_connection_counts_as_open_until_closed() {
    let service = start(&[]);
    let mut socket = service.connect();
    socket.send(upgrade("/upgrade", "echo"));
    assert_eq!(socket.read_head().status, 101);
    let open = || service.metrics().value("http_connections_open", &[]);
    // One more request.
    eventually("it is open", || (open() == Some(2.0)).then_some(()));
    assert!(!socket.ends_within(ms(200)));
    drop(socket);
    eventually("it is closed", || (open() == Some(1.0)).then_some(()));
    assert_eq!(service.terminate().code, Some(0));
}

/// Returns the Close frame with which a client answers.
fn close_frame() -> Vec<u8> {
    frame(0x88, &1001_u16.to_be_bytes())
}

/// A Close frame of a server with status 1001 and no reason.
const AWAY: &[u8] = b"\x88\x02\x03\xE9";

/// LIFE-9: the usual halves of a socket.
#[test]
fn split_websocket_is_closed_with_1001_at_shutdown() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let mut socket = websocket_at(&service, "/websocket-split");
    socket.send(frame(OPCODE_TEXT, b"hello"));
    socket.wait_for_bytes();
    service.signal(Signal::Term);
    let said = socket.read_to_end();
    assert!(said.starts_with(b"\x81\x05hello\x88"), "{said:?}");
    assert_eq!(said[9..11], 1001_u16.to_be_bytes());
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < ms(10_000), "{:?}", ended.took);
}

/// LIFE-9
#[test]
fn websocket_without_wiring_is_closed_by_the_drain() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let mut polite = websocket_at(&service, "/websocket-plain");
    let mut silent = websocket_at(&service, "/websocket-plain");
    let mut ticking = websocket_at(&service, "/websocket-ticks");
    for socket in [&mut polite, &mut silent] {
        socket.send(frame(OPCODE_TEXT, b"hello"));
        socket.wait_for_bytes();
    }
    ticking.wait_for_bytes();
    service.signal(Signal::Term);
    // One client answers the Close frame; the other connection is closed after a second.
    assert!(!polite.ends_within(ms(400)));
    polite.send(close_frame());
    for socket in [&mut polite, &mut silent] {
        let said = socket.read_to_end();
        assert_eq!(said, [b"\x81\x05hello", AWAY].concat(), "nothing follows");
    }
    // Whole frames, then the Close frame.
    let said = ticking.read_to_end();
    let ticks = said.strip_suffix(AWAY).expect("a Close frame comes");
    assert!(
        ticks.chunks(6).all(|tick| tick == b"\x81\x04tick"),
        "{said:?}"
    );
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < ms(10_000), "{:?}", ended.took);
    assert_eq!(
        ended.records_with("websocket_ended").len(),
        3,
        "no handler is left"
    );
    assert_eq!(
        ended.records_with("shutdown_complete")[0]["requestsCutOff"],
        0
    );
}

/// LIFE-9: its handler waits in a write.
#[test]
fn websocket_of_a_client_that_does_not_read_ends_in_time() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    for path in ["/websocket-plain", "/websocket-split"] {
        let mut socket = websocket_at(&service, path);
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        thread::spawn(move || {
            let frames = frame(OPCODE_TEXT, &[b'x'; 100]).repeat(1000);
            while socket.try_send(&frames).is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        eventually("nothing more is read", || {
            let before = sent.load(Ordering::Relaxed);
            thread::sleep(ms(300));
            (before > 0 && sent.load(Ordering::Relaxed) == before).then_some(())
        });
    }
    service.signal(Signal::Term);
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < ms(10_000), "{:?}", ended.took);
    assert_eq!(ended.records_with("websocket_ended").len(), 1);
}

/// LIFE-9
#[tokio::test]
async fn websocket_of_a_client_that_keeps_sending_ends_in_time() {
    let receive = async |token: ShutdownToken, upgrade: WebSocketUpgrade| {
        // Only the close by the handler ends it.
        keep_open(upgrade.on_upgrade(async move |socket| {
            let mut socket = token.close_websocket(socket);
            while let Some(Ok(_)) = socket.recv().await {}
        }))
    };
    let router = Router::new().route("/websocket", any(receive));
    let service = App::new(build_info!()).router(router);
    let service = TestService::start(service, &[("SHUTDOWN_TIMEOUT", "20s")]).await;
    let mut socket = Connection::tcp(service.addr()).expect("the service accepts");
    let (sending, sends) = oneshot::channel();
    let client = thread::spawn(move || {
        socket.send(upgrade("/websocket", "websocket"));
        assert_eq!(socket.read_head().status, 101);
        // Small frames take the service longer to read than the client to send.
        let frames = frame(OPCODE_TEXT, b"x").repeat(10_000);
        socket.send(&frames);
        sending.send(()).expect("the test waits");
        while socket.try_send(&frames).is_ok() {}
    });
    sends.await.expect("the client sends");
    let report = service.shutdown().await;
    assert_eq!(report.exit_status(), 0);
    // Three quarters of the timeout: a busy machine also delays the tasks that close the WebSocket.
    assert!(report.drain < ms(15_000), "{report:?}");
    client.join().expect("the client ends");
}

/// LIFE-9
#[test]
fn event_stream_without_wiring_is_completed() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "20s")]);
    let mut stream = service.connect();
    stream.send(request("GET", "/sse", ""));
    assert_eq!(stream.read_head().status, 200);
    stream.wait_for_bytes();
    service.signal(Signal::Term);
    let said = stream.read_to_end();
    assert!(said.ends_with(b"\r\n0\r\n\r\n"), "the last chunk is there");
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < ms(10_000), "{:?}", ended.took);
    assert!(ended.records_with("http_request")[0]["aborted"].is_null());
}

/// LIFE-9
#[test]
fn response_kept_open_is_awaited() {
    let service = start(&[("SHUTDOWN_TIMEOUT", "2s")]);
    let mut socket = websocket_at(&service, "/websocket-kept");
    let mut stream = service.connect();
    stream.send(request("GET", "/sse-kept", ""));
    assert_eq!(stream.read_head().status, 200);
    service.signal(Signal::Term);
    assert_eq!(socket.read_to_end(), b"\x81\x05saved\x88\x00");
    // It never ends by itself.
    let said = stream.read_to_end();
    assert!(!said.ends_with(b"\r\n0\r\n\r\n"), "it was cut off");
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(3));
    assert_eq!(
        ended.records_with("shutdown_complete")[0]["requestsCutOff"],
        1
    );
}
