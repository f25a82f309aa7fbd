//! H2-3 and H2-4: too many streams, rapid resets, and a head without end.

use std::time::Duration;

use super::LIMIT;
use crate::{
    verify::{
        conversation::Conversation,
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        probe::{Observation, Probe},
        routes::Route,
        scenario::{HTTP2, READ_TIMEOUT},
        subject::Subject,
    },
    wire::{END_STREAM, Frame, Frames, GOAWAY, HEADERS, REFUSED_STREAM, RST_STREAM},
};

pub(super) const PROBES: &[Probe] = &[Probe {
    scenario: &HTTP2,
    observation: Observation::Session(|subject| Box::pin(attacks(subject))),
    checks: &[
        ("H2-3:limit", limit),
        ("H2-3:rapid", rapid),
        ("H2-4:head", head),
    ],
}];

/// One stream more than a connection may have.
const STREAMS: u32 = 101;

/// The time in milliseconds of each of these streams, so that all are open at once.
const SLOW: u64 = 1500;

/// Resets in a group, and groups. The writes stop when the connection is closed.
const RESETS: u32 = 500;
const GROUPS: u32 = 20;

/// The time beyond the limit for a late head.
const TOLERANCE: Duration = Duration::from_secs(2);

async fn attacks(subject: &mut Subject<'_>) {
    if let Some(slow) = subject.route(Route::Slow, &[("ms", SLOW)]) {
        many_streams(subject, &slow).await;
    }
    rapid_resets(subject).await;
    partial_head(subject).await;
}

async fn many_streams(subject: &mut Subject<'_>, slow: &str) {
    let mut conversation = Conversation::new("streams");
    if let Ok(connection) = subject.wire().connect().await
        && let Ok(mut connection) = Frames::begin(connection).await
    {
        let streams = (0..STREAMS).map(|number| 2 * number + 1);
        let requests: Vec<Frame> = streams
            .map(|stream| Frame::request(stream, "GET", slow))
            .collect();
        if connection.send(&requests).await.is_ok() {
            let last = 2 * STREAMS - 1;
            let is_last = |frame: &Frame| frame.code() == Some(REFUSED_STREAM) || frame.ends(last);
            conversation.read(&mut connection, LIMIT, is_last).await;
        }
    }
    subject.add_conversation(conversation);
}

async fn rapid_resets(subject: &mut Subject<'_>) {
    let mut conversation = Conversation::new("resets");
    if let Ok(connection) = subject.wire().connect().await
        && let Ok(mut connection) = Frames::begin(connection).await
    {
        for group in 0..GROUPS {
            let streams = (0..RESETS).map(|number| 2 * (group * RESETS + number) + 1);
            let frames = streams.flat_map(|stream| {
                let request = Frame::request(stream, "GET", "/.plimsoll/reset");
                [request, Frame::reset(stream)]
            });
            let frames: Vec<Frame> = frames.collect();
            if connection.send(&frames).await.is_err() {
                conversation.is_closed = true;
                break;
            }
        }
        subject.get("beside", "/health", &[]).await;
        let is_last = |frame: &Frame| frame.kind == GOAWAY;
        conversation.read(&mut connection, LIMIT, is_last).await;
    }
    subject.add_conversation(conversation);
}

async fn partial_head(subject: &mut Subject<'_>) {
    let mut conversation = Conversation::new("head");
    if let Ok(connection) = subject.wire().connect().await
        && let Ok(mut connection) = Frames::begin(connection).await
    {
        // Without its flag END_HEADERS, the head goes on in another frame.
        let partial = Frame {
            flags: END_STREAM,
            ..Frame::request(1, "GET", "/health")
        };
        if connection.send(&[partial]).await.is_ok() {
            let sent = subject.wire().elapsed();
            let limit = READ_TIMEOUT + 2 * TOLERANCE;
            conversation.read(&mut connection, limit, |_| false).await;
            conversation.time = subject.wire().elapsed().saturating_sub(sent);
        }
    }
    subject.add_conversation(conversation);
}

fn limit(evidence: &Evidence) -> Judgement {
    evidence.require_route(Route::Slow)?;
    let conversation = evidence.conversation("streams")?;
    let mut frames = conversation.frames.iter();
    let is_refused = frames.any(|frame| frame.code() == Some(REFUSED_STREAM));
    if !is_refused && !conversation.has(HEADERS) && !conversation.has(RST_STREAM) {
        let reason = "no stream was answered or refused in time";
        return Err(Fault::NotProven(reason.to_owned()));
    }
    require(is_refused, || {
        let sent = format!("{STREAMS} requests at a time over one connection of HTTP/2");
        let expected = "RST_STREAM with code 7 (REFUSED_STREAM) for the last";
        Finding::new(sent, conversation.text(), expected)
    })
}

fn rapid(evidence: &Evidence) -> Judgement {
    let conversation = evidence.conversation("resets")?;
    let count = RESETS * GROUPS;
    let sent = format!("{count} requests over one connection of HTTP/2, each with its RST_STREAM");
    require(conversation.is_closed || conversation.has(GOAWAY), || {
        let expected = "GOAWAY, or the end of the connection";
        Finding::new(&*sent, conversation.text(), expected)
    })?;
    let (exchange, response) = evidence.answer("beside")?;
    require(response.status == 200, || {
        let finding = Finding::response(exchange, "status 200 for another client meanwhile");
        Finding {
            sent: format!("{sent}, and {}", finding.sent),
            repeat: None,
            ..finding
        }
    })
}

fn head(evidence: &Evidence) -> Judgement {
    let conversation = evidence.conversation("head")?;
    if conversation.is_closed && conversation.time <= READ_TIMEOUT + TOLERANCE {
        return Ok(());
    }
    let after = conversation.time.as_millis();
    let received = format!("{}, after {after} ms", conversation.text());
    let expected = "the end of the connection after READ_TIMEOUT, 1 s, and at most 2 s later";
    let finding = Finding::new("HEADERS without END_HEADERS", received, expected);
    match conversation.is_closed {
        true => Err(Fault::late(finding, TOLERANCE, evidence.lag)),
        false => Err(finding.into()),
    }
}
