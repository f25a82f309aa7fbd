//! H2: conversations in frames.

use super::*;
use crate::{
    verify::{
        conversation::Conversation,
        routes::{Route, Routes},
    },
    wire::{Frame, GOAWAY, HEADERS, SETTINGS},
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
