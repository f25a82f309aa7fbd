//! H2-3 and H2-4: too many streams, rapid resets, and a head without end.

use std::time::Duration;

use super::{super::srv::reaches, LIMIT, connect, health};
use crate::{
    verify::{
        conversation::Conversation,
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        probe::{Observation, Probe},
        routes::Route,
        scenario::{HTTP2, READ_TIMEOUT},
        subject::{Subject, request},
    },
    wire::{END_STREAM, Frame, GOAWAY, HEADERS, NO_ERROR, REFUSED_STREAM, RST_STREAM},
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

/// The time in which resets end a connection. It is shorter than each limit for an idle connection.
const AT_ONCE: Duration = Duration::from_millis(500);

/// The time beyond the limit for a late head.
const TOLERANCE: Duration = Duration::from_secs(2);

async fn attacks(subject: &mut Subject<'_>) {
    let slow = subject.route(Route::Slow, &[("ms", SLOW)]);
    if let Some(slow) = &slow {
        many_streams(subject, slow).await;
    }
    rapid_resets(subject).await;
    partial_head(subject, slow.as_deref()).await;
}

async fn many_streams(subject: &mut Subject<'_>, slow: &str) {
    let Some(mut connection) = connect(subject).await else {
        return;
    };
    let mut conversation = Conversation::new("streams");
    let streams = (0..STREAMS).map(|number| 2 * number + 1);
    let requests: Vec<Frame> = streams
        .map(|stream| Frame::request(stream, "GET", slow))
        .collect();
    if connection.send(&requests).await.is_ok() {
        let last = 2 * STREAMS - 1;
        let is_last = |frame: &Frame| is_refusal(frame) || frame.ends(last);
        conversation.read(&mut connection, LIMIT, is_last).await;
    }
    subject.add_conversation(conversation);
}

async fn rapid_resets(subject: &mut Subject<'_>) {
    let Some(mut connection) = connect(subject).await else {
        return;
    };
    let mut conversation = Conversation::new("resets");
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
    let wire = subject.wire();
    let is_last = |frame: &Frame| frame.kind == GOAWAY;
    let read = conversation.read(&mut connection, LIMIT, is_last);
    let health = request("GET", "/health", &[]);
    let beside = wire.exchange("beside", subject.nonce(), health);
    let ((), beside) = tokio::join!(read, beside);
    subject.add([beside]);
    subject.add_conversation(conversation);
}

async fn partial_head(subject: &mut Subject<'_>, slow: Option<&str>) {
    let Some(mut connection) = connect(subject).await else {
        return;
    };
    let mut conversation = Conversation::new("head");
    // The answer to SETTINGS must not be between the parts of a head, so it precedes them.
    let is_first = |frame: &Frame| frame.ends(1);
    if connection.send(&[health(1)]).await.is_ok() {
        conversation.read(&mut connection, LIMIT, is_first).await;
    }
    // Without its flag END_HEADERS, the head goes on in another frame.
    let partial = Frame {
        flags: END_STREAM,
        ..Frame::request(5, "GET", "/health")
    };
    let beside = slow.map(|path| Frame::request(3, "GET", path));
    let frames: Vec<Frame> = beside.into_iter().chain([partial]).collect();
    if conversation.is_answered(1) && connection.send(&frames).await.is_ok() {
        let limit = READ_TIMEOUT + 2 * TOLERANCE;
        conversation.read(&mut connection, limit, |_| false).await;
        subject.add_conversation(conversation);
    }
}

/// Whether a frame refuses a stream.
fn is_refusal(frame: &Frame) -> bool {
    frame.kind == RST_STREAM && frame.code() == Some(REFUSED_STREAM)
}

fn limit(evidence: &Evidence) -> Judgement {
    evidence.require_route(Route::Slow)?;
    let conversation = evidence.conversation("streams")?;
    let is_refused = conversation.frames.iter().any(is_refusal);
    if !is_refused && !conversation.has(HEADERS) && !conversation.has(RST_STREAM) {
        let reason = "no stream was answered or refused in time";
        return Err(Fault::not_proven(reason));
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
    let finding = || {
        let expected = "GOAWAY with an error, or the end of the connection at once";
        let after = conversation.time.as_millis();
        let received = format!("{}, after {after} ms", conversation.text());
        Finding::new(&*sent, received, expected)
    };
    let is_error = |frame: &Frame| frame.kind == GOAWAY && frame.code() != Some(NO_ERROR);
    let has_error = conversation.frames.iter().any(is_error);
    require(has_error || conversation.is_closed, finding)?;
    if !has_error && conversation.time > AT_ONCE {
        return Err(Fault::late(finding(), AT_ONCE, evidence.lag));
    }
    let (exchange, response) = evidence.answer("beside")?;
    require(response.status == 200, || {
        let finding = Finding::response(exchange, "status 200 for another client meanwhile");
        finding.sent_as(|request| format!("{sent}, and {request}"))
    })
}

fn head(evidence: &Evidence) -> Judgement {
    let conversation = evidence.conversation("head")?;
    if conversation.is_closed && conversation.time <= READ_TIMEOUT + TOLERANCE {
        return reaches(conversation.time, READ_TIMEOUT);
    }
    let after = conversation.time.as_millis();
    let received = format!("{}, after {after} ms", conversation.text());
    let expected = "the end of the connection after READ_TIMEOUT, 1 s, and at most 2 s later";
    let sent = "HEADERS without END_HEADERS, beside another stream";
    let finding = Finding::new(sent, received, expected);
    match conversation.is_closed {
        true => Err(Fault::late(finding, TOLERANCE, evidence.lag)),
        false => Err(finding.into()),
    }
}
