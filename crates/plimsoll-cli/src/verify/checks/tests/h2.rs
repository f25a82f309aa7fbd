//! H2: conversations in frames.

use super::*;
use crate::{
    verify::{
        conversation::Conversation,
        routes::{Route, Routes},
    },
    wire::{DATA, Frame, GOAWAY, HEADERS, RST_STREAM, SETTINGS},
};

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Frame {
    Frame {
        kind,
        flags,
        stream,
        payload: payload.to_vec(),
    }
}

fn settings() -> Frame {
    frame(SETTINGS, 0, 0, &[])
}

/// The head of a response with status 200, which ends its stream.
fn ok(stream: u32) -> Frame {
    frame(HEADERS, 5, stream, &[0x88])
}

#[track_caller]
fn judge_frames(id: &str, conversation: Conversation, exchanges: Vec<Exchange>) -> Option<bool> {
    let evidence = Evidence {
        conversations: vec![conversation],
        routes: Routes::with(Route::Slow, "/slow?ms={ms}"),
        ..started(exchanges, &[])
    };
    judge(id, &evidence)
}

fn conversation(
    name: &'static str,
    frames: impl Into<Vec<Frame>>,
    is_closed: bool,
) -> Conversation {
    Conversation {
        frames: frames.into(),
        is_closed,
        ..Conversation::new(name)
    }
}

#[test]
fn http2_is_served_where_it_is_offered() {
    let judge_first = |id: &str, name, frames: Vec<Frame>| {
        let http1 = vec![exchange("HTTP/1", response(200, &[], ""))];
        judge_frames(id, conversation(name, frames, true), http1)
    };
    for (id, name) in [("H2-1:cleartext", "cleartext"), ("H2-1:tls", "TLS")] {
        assert_eq!(
            judge_first(id, name, vec![settings(), ok(1)]),
            Some(true),
            "{id}"
        );
        assert_eq!(judge_first(id, name, vec![settings()]), Some(false), "{id}");
    }
    assert_eq!(judge_first("H2-1:cleartext", "cleartext", vec![]), None);
    assert_eq!(judge_first("H2-1:tls", "other", vec![]), None);
    // HTTP/2 was negotiated, and then not spoken.
    assert_eq!(judge_first("H2-1:tls", "TLS", vec![]), Some(false));
    assert_eq!(
        judge_first("H2-1:rejected", "without setting", vec![]),
        Some(true)
    );
    assert_eq!(
        judge_first("H2-1:rejected", "without setting", vec![settings()]),
        Some(false)
    );
    let counted = |after: u32| {
        let scrape = |count: u32| {
            let text = format!("http_protocol_errors_total{{kind=\"a\"}} {count}\n");
            response(200, &[("content-type", "text/plain")], &text)
        };
        let exchanges = [
            exchange("before", scrape(1)),
            exchange("after", scrape(after)),
        ];
        judge("H2-1:counted", &started(exchanges, &[]))
    };
    assert_eq!(counted(2), Some(true));
    assert_eq!(counted(1), Some(false));
    // Another process has answered.
    assert_eq!(counted(0), None);
}

#[test]
fn stream_ends_alone() {
    let reset = |frames: Vec<Frame>| {
        judge_frames(
            "H2-2:reset",
            conversation("reset", frames, true),
            Vec::new(),
        )
    };
    assert_eq!(reset(vec![settings(), ok(3)]), Some(true));
    assert_eq!(reset(vec![settings(), ok(1)]), Some(false));
}

#[test]
fn limits_of_a_connection_are_kept() {
    let limit = |frames: Vec<Frame>| {
        judge_frames(
            "H2-3:limit",
            conversation("streams", frames, false),
            Vec::new(),
        )
    };
    let refused = frame(3, 0, 201, &[0, 0, 0, 7]);
    assert_eq!(limit(vec![settings(), refused]), Some(true));
    assert_eq!(limit(vec![settings(), ok(201)]), Some(false));
    assert_eq!(limit(vec![settings()]), None);
    let rapid = |frames: Vec<Frame>, is_closed, time| {
        let beside = vec![exchange("beside", response(200, &[], ""))];
        let conversation = Conversation {
            time: Duration::from_millis(time),
            ..conversation("resets", frames, is_closed)
        };
        judge_frames("H2-3:rapid", conversation, beside)
    };
    let end = |code| frame(GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, code]);
    assert_eq!(rapid(vec![end(11)], false, 501), Some(true));
    assert_eq!(rapid(vec![end(0)], false, 0), Some(false));
    assert_eq!(rapid(vec![end(0)], true, 501), Some(false));
    assert_eq!(rapid(vec![settings()], true, 500), Some(true));
    // Such an end is that of an idle connection.
    assert_eq!(rapid(vec![settings()], true, 501), Some(false));
    assert_eq!(rapid(vec![settings()], false, 0), Some(false));
    let head = |time, is_closed| {
        let conversation = Conversation {
            time: Duration::from_millis(time),
            ..conversation("head", [settings()], is_closed)
        };
        judge_frames("H2-4:head", conversation, Vec::new())
    };
    assert_eq!(head(3000, true), Some(true));
    assert_eq!(head(499, true), None);
    assert_eq!(head(3001, true), Some(false));
    assert_eq!(head(3000, false), Some(false));
}

#[test]
fn streams_are_finished_after_the_signal() {
    let drain = |id: &str, frames: Vec<Frame>| {
        judge_frames(id, conversation("drain", frames, true), Vec::new())
    };
    assert_eq!(
        drain("H2-5:goaway", vec![frame(GOAWAY, 0, 0, &[])]),
        Some(true)
    );
    assert_eq!(drain("H2-5:goaway", vec![ok(1)]), Some(false));
    assert_eq!(drain("H2-5:streams", vec![ok(1), ok(3)]), Some(true));
    assert_eq!(drain("H2-5:streams", vec![ok(1)]), Some(false));
}

/// A frame SETTINGS with ENABLE_CONNECT_PROTOCOL.
fn offer() -> Frame {
    frame(SETTINGS, 0, 0, &[0, 8, 0, 0, 0, 1])
}

#[test]
fn websocket_is_an_open_stream_with_messages() {
    let judge = |id: &str, frames: Vec<Frame>| {
        let evidence = Evidence {
            conversations: vec![conversation("WebSocket", frames, false)],
            ..with_routes(started([], &[]))
        };
        judge(id, &evidence)
    };
    let (head, message) = (frame(HEADERS, 4, 1, &[0x88]), b"\x81\x05hello");
    let whole = vec![offer(), head.clone(), frame(DATA, 0, 1, message)];
    assert_eq!(judge("H2-6:offered", whole.clone()), Some(true));
    assert_eq!(judge("H2-6:offered", vec![settings()]), Some(false));
    let websocket = |frames| judge("H2-6:websocket", frames);
    let part = |bytes: &[u8]| frame(DATA, 0, 1, bytes);
    let parts = vec![
        offer(),
        head.clone(),
        part(&message[..2]),
        part(&message[2..]),
    ];
    assert_eq!(websocket(whole.clone()), Some(true));
    assert_eq!(websocket(parts), Some(true));
    assert_eq!(websocket(vec![offer(), head.clone()]), Some(false));
    assert_eq!(websocket(vec![offer(), ok(1), part(message)]), Some(false));
    assert_eq!(
        websocket(vec![offer(), frame(RST_STREAM, 0, 1, &[0, 0, 0, 1])]),
        Some(false)
    );
    // Without the route, its path has another meaning.
    assert_eq!(
        websocket(vec![offer(), frame(HEADERS, 4, 1, &[0x8d])]),
        None
    );
    let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    assert_eq!(websocket([whole, vec![reset]].concat()), Some(false));
}

#[test]
fn websocket_is_closed_after_the_signal() {
    let drain = |frames: Vec<Frame>| {
        let websocket = conversation("drained WebSocket", frames, true);
        let evidence = Evidence {
            conversations: vec![websocket],
            ..with_routes(started([], &[]))
        };
        judge("H2-6:drain", &evidence)
    };
    let close = |status: u16| {
        let status = status.to_be_bytes();
        frame(DATA, 0, 1, &[&[0x88, 2][..], &status].concat())
    };
    let end = || frame(DATA, 1, 1, &[]);
    assert_eq!(drain(vec![offer(), close(1001), end()]), Some(true));
    assert_eq!(drain(vec![offer(), close(1000), end()]), Some(false));
    assert_eq!(drain(vec![offer(), close(1001)]), Some(false));
    assert_eq!(drain(vec![offer(), end()]), Some(false));
}

#[test]
fn request_of_a_websocket_ends_at_its_head() {
    let record = |lines: &[&str]| {
        let exchanges = [exchange("marker", response(404, &[], ""))];
        let websocket = Conversation {
            nonce: "own".to_owned(),
            ..conversation("WebSocket", [offer()], false)
        };
        let evidence = Evidence {
            conversations: vec![websocket],
            ..with_routes(started(exchanges, lines))
        };
        judge("H2-6:record", &evidence)
    };
    let own = r#"{"message":"http_request","request_id":"own"}"#;
    let later = r#"{"message":"http_request","request_id":"nonce-of-marker"}"#;
    assert_eq!(record(&[own, later]), Some(true));
    assert_eq!(record(&[later, own]), Some(false));
    assert_eq!(record(&[]), Some(false));
    assert_eq!(record(&[later]), Some(false));
    assert_eq!(
        record(&[&own.replace("http_request", "other"), later]),
        Some(false)
    );
}

#[test]
fn incomplete_connect_is_rejected() {
    let reset = |code| frame(RST_STREAM, 0, 1, &[0, 0, 0, code]);
    let incomplete = |last: Frame| {
        let names = [":scheme", ":authority", ":path", ":protocol"];
        let conversations = names.map(|name| match name {
            ":path" => conversation(name, [offer(), last.clone()], false),
            ":authority" => conversation(name, [frame(HEADERS, 4, 1, &[0x8c])], false),
            _ => conversation(name, [offer(), reset(1)], false),
        });
        let evidence = Evidence {
            conversations: conversations.into(),
            ..started([], &[])
        };
        judge("H2-6:incomplete", &evidence)
    };
    assert_eq!(incomplete(reset(1)), Some(true));
    assert_eq!(incomplete(reset(8)), Some(false));
    assert_eq!(incomplete(frame(HEADERS, 5, 1, &[0x8d])), Some(false));
    assert_eq!(incomplete(settings()), Some(false));
}
