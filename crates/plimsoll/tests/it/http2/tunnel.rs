//! Streams that carry another protocol (RFC 8441).

use harness::{Process, Signal, access_record, eventually};
use http::{Method, StatusCode};

use super::ON;
use super::client::{Client, Tunnel, block_on};
use super::raw::{RST_STREAM, RawClient, head};
use crate::in_flight::{requests_in_flight, value};
use crate::support::{END, ms, start};

const OPCODE_TEXT: u8 = 0x81;

const OPCODE_CLOSE: u8 = 0x88;

/// A Close frame of a server with status 1001 and no reason.
const AWAY: &[u8] = b"\x88\x02\x03\xE9";

/// Returns a frame of a client (RFC 6455, 5.2), with a mask that changes nothing.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a frame is short");
    let mut frame = vec![opcode, 0x80 | length, 0, 0, 0, 0];
    frame.extend(payload);
    frame
}

async fn websocket(client: &mut Client, path: &str) -> Tunnel {
    let socket = client.open_tunnel(path, "websocket").await;
    assert_eq!(socket.status, StatusCode::OK, "{path}");
    socket
}

/// Sends a message and reads its echo.
async fn greet(socket: &mut Tunnel) {
    socket.send(frame(OPCODE_TEXT, b"hello"));
    let mut said = Vec::new();
    while said.len() < 7 {
        said.extend(socket.next().await.expect("the stream is open"));
    }
    assert_eq!(said, b"\x81\x05hello");
}

#[track_caller]
fn cut_off(service: Process, code: i32) -> serde_json::Value {
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(code));
    ended.records_with("shutdown_complete")[0]["requestsCutOff"].clone()
}

/// H2-6, LOG-9, SRV-4
#[test]
fn websocket_over_http2_ends_its_request_at_the_head() {
    let service = start(&[ON, ("MAX_IN_FLIGHT", "1")]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let mut socket = websocket(&mut client, "/websocket-plain").await;
        assert!(socket.headers.contains_key("x-request-id"));
        assert!(!socket.headers.contains_key("content-length"));
        let record = access_record(&service, "/websocket-plain");
        assert_eq!(record["method"], Method::CONNECT.as_str());
        assert_eq!(record["path"], "/websocket-plain");
        assert_eq!(record["status"], 200);
        assert!(record["aborted"].is_null(), "{record}");
        assert_eq!(requests_in_flight(&service), 0.0);
        assert_eq!(value(&service, "http_request_slots_taken"), 0.0);
        // The only slot is free, and other streams of the connection continue.
        greet(&mut socket).await;
        assert_eq!(client.get("/hello").await.status, StatusCode::OK);
        greet(&mut socket).await;
        socket.send(frame(OPCODE_CLOSE, &1000_u16.to_be_bytes()));
        socket.read_to_end().await;
    });
    service.wait_for_record(|record| record["message"] == "websocket_ended");
    assert_eq!(service.terminate().code, Some(0));
}

/// H2-6: a rejection by the handler is an ordinary response.
#[test]
fn rejected_tunnel_is_an_ordinary_response() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        for (path, protocol, status) in [
            ("/websocket", "echo", 400),
            ("/nowhere", "websocket", 404),
            ("/hello", "websocket", 405),
        ] {
            let mut refused = client.open_tunnel(path, protocol).await;
            assert_eq!(refused.status, status, "{path}");
            assert!(!refused.read_to_end().await.is_empty(), "{path}");
        }
        assert_eq!(client.get("/hello").await.status, StatusCode::OK);
    });
    assert_eq!(service.terminate().code, Some(0));
}

/// H2-6, SRV-3
#[test]
fn incomplete_extended_connect_is_rejected() {
    let service = start(&[ON]);
    let mut client = RawClient::connect(service.addr());
    let all = [
        (":method", "CONNECT"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/websocket"),
        (":protocol", "websocket"),
    ];
    let mut stream = 1;
    for missing in [":scheme", ":path", ":protocol"] {
        let mut fields = all.to_vec();
        fields.retain(|(name, _)| *name != missing);
        client.send(head(stream, &fields, false));
        let refused = client.until(|frame| frame.stream == stream && frame.kind == RST_STREAM);
        assert!(refused.is_some(), "{missing}");
        stream += 2;
    }
    let mut fields = all.to_vec();
    fields.retain(|(name, _)| *name != ":authority");
    client.send(head(stream, &fields, false));
    let refused = client.until(|frame| frame.stream == stream && frame.status().is_some());
    assert_eq!(refused.and_then(|frame| frame.status()), Some(400));
}

/// H2-6, LIFE-9
#[test]
fn websocket_over_http2_without_wiring_is_closed_by_the_drain() {
    let service = start(&[ON, ("SHUTDOWN_TIMEOUT", "20s")]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let mut polite = websocket(&mut client, "/websocket-plain").await;
        let mut silent = websocket(&mut client, "/websocket-plain").await;
        let mut ticking = websocket(&mut client, "/websocket-ticks").await;
        greet(&mut polite).await;
        greet(&mut silent).await;
        assert!(ticking.next().await.is_ok());
        service.signal(Signal::Term);
        // One client answers the Close frame; the other stream is closed after a second.
        assert_eq!(polite.next().await.expect("a Close frame comes"), AWAY);
        polite.send(frame(OPCODE_CLOSE, &1001_u16.to_be_bytes()));
        assert_eq!(polite.read_to_end().await, b"", "nothing follows");
        assert_eq!(silent.read_to_end().await, AWAY);
        let said = ticking.read_to_end().await;
        let ticks = said.strip_suffix(AWAY).expect("a Close frame comes");
        assert!(
            ticks.chunks(6).all(|tick| tick == b"\x81\x04tick"),
            "{said:?}"
        );
        client.ended().await;
    });
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < ms(10_000), "{:?}", ended.took);
    assert_eq!(ended.records_with("websocket_ended").len(), 3);
    let report = &ended.records_with("shutdown_complete")[0];
    assert_eq!(report["requestsCutOff"], 0, "{report}");
}

/// H2-6, LIFE-9
#[test]
fn websocket_over_http2_is_closed_with_1001() {
    let service = start(&[ON, ("SHUTDOWN_TIMEOUT", "20s")]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let mut sockets = Vec::new();
        for _ in 0..50 {
            let mut socket = websocket(&mut client, "/websocket").await;
            greet(&mut socket).await;
            sockets.push(socket);
        }
        service.signal(Signal::Term);
        for socket in &mut sockets {
            let said = socket.read_to_end().await;
            assert_eq!(said.first(), Some(&OPCODE_CLOSE), "{said:?}");
            assert_eq!(said[2..4], 1001_u16.to_be_bytes());
        }
    });
    assert_eq!(cut_off(service, 0), 0);
}

/// H2-6, LIFE-9
#[test]
fn websocket_over_http2_is_rejected_during_shutdown() {
    let service = start(&[ON, ("DRAIN_DELAY", "20s")]);
    service.signal(Signal::Term);
    service.wait_for_record(|record| record["message"] == "shutdown_started");
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let refused = client.open_tunnel("/websocket", "websocket").await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers.contains_key("retry-after"));
        let mut client = Client::connect(service.addr()).await;
        let accepted = client.open_tunnel("/upgrade", "echo").await;
        assert_eq!(accepted.status, StatusCode::OK);
    });
}

/// H2-6, LIFE-9: a handler that closes its WebSocket itself has time to do so.
#[test]
fn websocket_over_http2_kept_open_is_awaited() {
    let service = start(&[ON, ("SHUTDOWN_TIMEOUT", "20s")]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let mut socket = websocket(&mut client, "/websocket-kept").await;
        service.signal(Signal::Term);
        assert_eq!(socket.read_to_end().await, b"\x81\x05saved\x88\x00");
    });
    assert_eq!(cut_off(service, 0), 0);
}

/// H2-6, LIFE-9: each counts once, and a WebSocket beside it does not.
#[test]
fn unfinished_tunnels_are_cut_off_and_counted() {
    let service = start(&[ON, ("SHUTDOWN_TIMEOUT", "2s")]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let mut tunnels = Vec::new();
        for _ in 0..3 {
            let mut tunnel = client.open_tunnel("/upgrade", "echo").await;
            tunnel.send("still here");
            assert_eq!(tunnel.next().await.expect("it is open"), "still here");
            tunnels.push(tunnel);
        }
        let mut socket = websocket(&mut client, "/websocket-plain").await;
        greet(&mut socket).await;
        service.signal(Signal::Term);
        assert_eq!(socket.read_to_end().await, AWAY);
        for tunnel in &mut tunnels {
            let end = tunnel.next().await;
            assert!(!end.is_ok_and(|bytes| !bytes.is_empty()));
        }
    });
    assert_eq!(cut_off(service, 3), 3);
}

/// H2-6: after a reset, and after a connection loss.
#[test]
fn tunnel_ends_for_its_handler_on_disconnect() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let mut socket = websocket(&mut client, "/websocket-plain").await;
        greet(&mut socket).await;
        socket.reset();
        service.wait_for_record(|record| record["message"] == "websocket_ended");
        let mut socket = websocket(&mut client, "/websocket-ticks").await;
        assert!(socket.next().await.is_ok());
    });
    let ended = |record: &serde_json::Value| record["message"] == "websocket_ended";
    eventually("both handlers have ended", || {
        let records = service.records();
        (records.iter().filter(|record| ended(record)).count() == 2).then_some(())
    });
    eventually("no connection is open but this one", || {
        (value(&service, "http_connections_open") == 1.0).then_some(())
    });
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < ms(5000), "{:?}", ended.took);
}

/// H2-6, LIFE-9: the handler waits in a write whose data is never read.
#[test]
fn unread_websocket_over_http2_ends_in_time() {
    let service = start(&[ON, ("SHUTDOWN_TIMEOUT", "20s")]);
    let ended = block_on(async {
        let mut client = Client::connect_with_window(service.addr(), 0).await;
        let mut socket = websocket(&mut client, "/websocket-ticks").await;
        socket.send(frame(OPCODE_TEXT, b"hello"));
        client.ping().await;
        service.signal(Signal::Term);
        socket.is_reset().await;
        client.ended().await;
        service.wait(END)
    });
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < ms(10_000), "{:?}", ended.took);
    assert_eq!(ended.records_with("websocket_ended").len(), 1);
    let report = &ended.records_with("shutdown_complete")[0];
    assert_eq!(report["requestsCutOff"], 0, "{report}");
}

/// H2-4, H2-6: after the handler has dropped the stream, a client that reads nothing times out.
#[test]
fn closed_window_ends_a_tunnel_at_write_timeout() {
    let service = start(&[ON, ("WRITE_TIMEOUT", "1s")]);
    block_on(async {
        let mut client = Client::connect_with_window(service.addr(), 0).await;
        let mut socket = websocket(&mut client, "/websocket-plain").await;
        socket.send(frame(OPCODE_TEXT, b"hello"));
        socket.send(frame(OPCODE_CLOSE, &1000_u16.to_be_bytes()));
        service.wait_for_record(|record| record["message"] == "websocket_ended");
        socket.is_reset().await;
        client.ping().await;
    });
    assert_eq!(service.terminate().code, Some(0));
}
