//! H2-6: WebSockets over HTTP/2 (RFC 8441).

use std::cell::Cell;

use tokio::net::TcpStream;

use super::{LIMIT, connect};
use crate::{
    verify::{
        conversation::Conversation,
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, each, require},
        probe::{Observation, Probe},
        record::Record,
        routes::Route,
        scenario::HTTP2,
        subject::Subject,
    },
    wire::{DATA, Frame, Frames, HEADERS, PROTOCOL_ERROR, RST_STREAM, SETTINGS},
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &HTTP2,
        observation: Observation::Session(|subject| Box::pin(message(subject))),
        checks: &[
            ("H2-6:offered", offered),
            ("H2-6:websocket", websocket),
            ("H2-6:record", record),
        ],
    },
    Probe {
        scenario: &HTTP2,
        observation: Observation::Session(|subject| Box::pin(heads(subject))),
        checks: &[("H2-6:incomplete", incomplete)],
    },
];

/// The connection with the WebSocket that is open at SIGTERM.
pub(super) const DRAINED: &str = "drained WebSocket";

/// The stream of the WebSocket.
const STREAM: u32 = 1;

/// A text message of a client, whose mask changes nothing, and that of a service (RFC 6455, 5.2).
const SENT: &[u8] = b"\x81\x85\0\0\0\0hello";
const RETURNED: &[u8] = b"\x81\x05hello";

/// A Close frame with status 1001 begins with these bytes, between which is its length.
const CLOSE: u8 = 0x88;
const AWAY: [u8; 2] = 1001_u16.to_be_bytes();

/// The fields without which an extended CONNECT is malformed. Their conversations have these names.
const REQUIRED: [&str; 4] = [":scheme", ":authority", ":path", ":protocol"];

/// Whether a frame can offer extended CONNECT.
fn is_offer(frame: &Frame) -> bool {
    frame.kind == SETTINGS
}

/// Whether a frame answers an extended CONNECT.
fn is_answer(frame: &Frame) -> bool {
    frame.stream == STREAM && matches!(frame.kind, HEADERS | RST_STREAM)
}

/// Opens a connection, and a WebSocket if that is offered and there is a route.
pub(super) async fn open(
    subject: &mut Subject<'_>,
    name: &'static str,
) -> Option<(Frames<TcpStream>, Conversation)> {
    let mut connection = connect(subject).await?;
    let mut conversation = Conversation {
        nonce: subject.nonce(),
        ..Conversation::new(name)
    };
    // A client must not send `:protocol` before it is offered.
    conversation.read(&mut connection, LIMIT, is_offer).await;
    let route = subject.route(Route::Websocket, &[]);
    if let (Some(path), true) = (route, conversation.offers_connect()) {
        let head = Frame::connect(STREAM, &path, &conversation.nonce, "");
        if connection.send(&[head]).await.is_ok() {
            conversation.read(&mut connection, LIMIT, is_answer).await;
        }
    }
    Some((connection, conversation))
}

async fn message(subject: &mut Subject<'_>) {
    let Some((mut connection, mut conversation)) = open(subject, "WebSocket").await else {
        return;
    };
    let is_open = conversation.is_answered(STREAM);
    let message = Frame::data(STREAM, SENT);
    if is_open && connection.send(&[message]).await.is_ok() {
        let length = Cell::new(0);
        let is_last = |frame: &Frame| {
            let is_part = frame.stream == STREAM && frame.kind == DATA;
            let part = if is_part { frame.payload.len() } else { 0 };
            length.set(length.get() + part);
            length.get() >= RETURNED.len() || frame.ends(STREAM)
        };
        conversation.read(&mut connection, LIMIT, is_last).await;
        // The WebSocket is still open. Records of two threads have no order, so one request shows
        // that all are written, and the record of another one follows them.
        subject.settle().await;
        subject.settle().await;
    }
    subject.add_conversation(conversation);
}

async fn heads(subject: &mut Subject<'_>) {
    for missing in REQUIRED {
        let Some(mut connection) = connect(subject).await else {
            return;
        };
        let mut conversation = Conversation::new(missing);
        conversation.read(&mut connection, LIMIT, is_offer).await;
        let nonce = subject.nonce();
        let head = Frame::connect(STREAM, "/.plimsoll/websocket", &nonce, missing);
        if connection.send(&[head]).await.is_ok() {
            conversation.read(&mut connection, LIMIT, is_answer).await;
        }
        subject.add_conversation(conversation);
    }
}

fn offered(evidence: &Evidence) -> Judgement {
    let conversation = evidence.conversation("WebSocket")?;
    require(conversation.offers_connect(), || {
        let expected = "SETTINGS with ENABLE_CONNECT_PROTOCOL (8) = 1";
        Finding::new("the preface of HTTP/2", conversation.text(), expected)
    })
}

fn websocket(evidence: &Evidence) -> Judgement {
    evidence.require_route(Route::Websocket)?;
    let conversation = evidence.conversation("WebSocket")?;
    if conversation.status(STREAM) == Some(404) {
        return Err(Fault::not_proven("the route websocket has status 404"));
    }
    let is_returned = conversation.body(STREAM) == RETURNED;
    let is_open = !conversation.has_ended(STREAM) && !conversation.is_closed;
    require(
        conversation.is_answered(STREAM) && is_returned && is_open,
        || {
            let sent = "an extended CONNECT to the route websocket, and the message hello";
            let expected = "HEADERS with status 200, the message, and an open stream";
            Finding::new(sent, conversation.text(), expected)
        },
    )
}

fn record(evidence: &Evidence) -> Judgement {
    evidence.require_route(Route::Websocket)?;
    let conversation = evidence.conversation("WebSocket")?;
    let later = evidence.exchanges("marker").last();
    let later = later.ok_or_else(|| Fault::not_proven("no later request was sent"))?;
    let records = evidence.records_with("http_request")?;
    let position = |nonce: &str| {
        let is_own = |record: &Record| record.text("request_id") == Some(nonce);
        records.iter().position(is_own)
    };
    let Some(end) = position(&later.nonce) else {
        return Err(evidence.no_access_record(later));
    };
    let is_written = position(&conversation.nonce).is_some_and(|it| it < end);
    require(is_written, || {
        let sent = "an extended CONNECT to the route websocket, and another request meanwhile";
        let received = "no access record of the CONNECT before that of the other request";
        Finding::new(sent, received, "its access record while the stream is open")
    })
}

/// Judges the WebSocket that is open at SIGTERM.
pub(super) fn drained(evidence: &Evidence) -> Judgement {
    evidence.require_route(Route::Websocket)?;
    let conversation = evidence.conversation(DRAINED)?;
    let body = conversation.body(STREAM);
    let is_closed = body.first() == Some(&CLOSE) && body.get(2..4) == Some(&AWAY);
    require(is_closed && conversation.has_ended(STREAM), || {
        let sent = "an extended CONNECT to the route websocket, and SIGTERM";
        let expected = "a Close frame with status 1001, and the end of the stream";
        let received = format!("{}, with the bytes {body:02x?}", conversation.text());
        Finding::new(sent, received, expected)
    })
}

fn incomplete(evidence: &Evidence) -> Judgement {
    each(REQUIRED, |missing| {
        let conversation = evidence.conversation(missing)?;
        let is_reset = |frame: &Frame| {
            let is_own = frame.stream == STREAM && frame.kind == RST_STREAM;
            is_own && frame.code() == Some(PROTOCOL_ERROR)
        };
        let is_rejected = conversation.frames.iter().any(is_reset);
        require(
            is_rejected || conversation.status(STREAM) == Some(400),
            || {
                let sent = format!("an extended CONNECT without {missing}");
                let expected =
                    "RST_STREAM with code 1 (PROTOCOL_ERROR), or HEADERS with status 400";
                Finding::new(sent, conversation.text(), expected).about(missing)
            },
        )
    })
}
