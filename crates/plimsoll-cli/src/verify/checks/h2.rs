//! H2: HTTP/2 with and without TLS.

mod attacks;
mod drain;
mod websocket;

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::{
    verify::{
        conversation::Conversation,
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        probe::{Observation, Probe},
        scenario::{BASE, HTTP2, TLS},
        subject::{Hello, Subject},
    },
    wire::{Frame, Frames},
};

/// The probes of each part.
pub(super) const ALL: [&[Probe]; 4] = [PROBES, websocket::PROBES, attacks::PROBES, drain::PROBES];

const PROBES: &[Probe] = &[
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(without_setting(subject))),
        checks: &[("H2-1:rejected", rejected), ("H2-1:counted", counted)],
    },
    Probe {
        scenario: &TLS,
        observation: Observation::Session(|subject| Box::pin(encrypted(subject))),
        checks: &[("H2-1:tls", tls)],
    },
    Probe {
        scenario: &HTTP2,
        observation: Observation::Session(|subject| Box::pin(streams(subject))),
        checks: &[("H2-1:cleartext", cleartext), ("H2-2:reset", reset)],
    },
];

/// The counter of connections that are rejected.
const ERRORS: &str = "http_protocol_errors_total";

/// The longest wait for frames.
const LIMIT: Duration = Duration::from_secs(5);

/// The time for the answer to a preface that must be rejected.
const REJECTION: Duration = Duration::from_secs(2);

async fn without_setting(subject: &mut Subject<'_>) {
    subject.scrape("before").await;
    converse(subject, "without setting", &[health(1)], REJECTION, 1).await;
    subject.scrape_until_risen(ERRORS, &[], 1).await;
}

async fn encrypted(subject: &mut Subject<'_>) {
    let hello = Hello {
        protocols: &["h2"],
        ..Hello::default()
    };
    let Ok(session) = subject.session(&hello).await else {
        return;
    };
    if session.protocol().as_deref() != Some("h2") {
        return;
    }
    let conversation = match Frames::begin(session.into_stream()).await {
        Ok(connection) => conversation("TLS", connection, &[health(1)], LIMIT, 1).await,
        // The service has negotiated HTTP/2, so its silence is an answer.
        Err(_) => Conversation {
            is_closed: true,
            ..Conversation::new("TLS")
        },
    };
    subject.add_conversation(conversation);
}

async fn streams(subject: &mut Subject<'_>) {
    converse(subject, "cleartext", &[health(1)], LIMIT, 1).await;
    subject.get("HTTP/1", "/health", &[]).await;
    // Without its flag END_STREAM, the request has a body that never comes.
    let upload = Frame {
        flags: crate::wire::END_HEADERS,
        ..Frame::request(1, "POST", "/.plimsoll/upload")
    };
    let frames = [upload, Frame::reset(1), health(3)];
    converse(subject, "reset", &frames, LIMIT, 3).await;
}

/// Begins HTTP/2 over a new connection. Without one, the checks of its conversation are not proven.
async fn connect(subject: &Subject<'_>) -> Option<Frames<TcpStream>> {
    let connection = subject.wire().connect().await.ok()?;
    Frames::begin(connection).await.ok()
}

/// Sends frames over a new connection, and reads until a stream ends.
async fn converse(
    subject: &mut Subject<'_>,
    name: &'static str,
    frames: &[Frame],
    limit: Duration,
    stream: u32,
) {
    if let Some(connection) = connect(subject).await {
        let conversation = conversation(name, connection, frames, limit, stream).await;
        subject.add_conversation(conversation);
    }
}

/// Sends frames, and reads until a stream ends.
async fn conversation<S: AsyncRead + AsyncWrite + Unpin>(
    name: &'static str,
    mut connection: Frames<S>,
    frames: &[Frame],
    limit: Duration,
    stream: u32,
) -> Conversation {
    let mut conversation = Conversation::new(name);
    // A service that rejects the connection may have closed it by now.
    let _ = connection.send(frames).await;
    let is_last = |frame: &Frame| frame.ends(stream);
    conversation.read(&mut connection, limit, is_last).await;
    conversation
}

fn health(stream: u32) -> Frame {
    Frame::request(stream, "GET", "/health")
}

fn rejected(evidence: &Evidence) -> Judgement {
    let conversation = evidence.conversation("without setting")?;
    require(!conversation.has_begun(), || {
        let sent = "the preface of HTTP/2, without HTTP2_CLEARTEXT";
        Finding::new(sent, conversation.text(), "no frame SETTINGS")
    })
}

fn counted(evidence: &Evidence) -> Judgement {
    let sent = "the preface of HTTP/2, without HTTP2_CLEARTEXT";
    evidence.require_rise(ERRORS, &[], sent)
}

fn tls(evidence: &Evidence) -> Judgement {
    let mut conversations = evidence.conversations.iter();
    let Some(conversation) = conversations.find(|it| it.name == "TLS") else {
        let reason = "HTTP/2 not offered: it is not negotiated over TLS";
        return Err(Fault::not_proven(reason));
    };
    answered(conversation, 1, "GET /health over HTTP/2 and TLS")
}

fn cleartext(evidence: &Evidence) -> Judgement {
    let conversation = evidence.conversation("cleartext")?;
    if !conversation.has_begun() {
        let reason = "HTTP/2 without TLS not offered: HTTP2_CLEARTEXT=true changes nothing";
        return Err(Fault::not_proven(reason));
    }
    answered(conversation, 1, "GET /health over HTTP/2")?;
    let (exchange, response) = evidence.answer("HTTP/1")?;
    require(response.status == 200, || {
        Finding::response(exchange, "status 200 over HTTP/1.1, too")
    })
}

fn reset(evidence: &Evidence) -> Judgement {
    let conversation = evidence.conversation("reset")?;
    let sent = "POST in stream 1, its RST_STREAM, and GET /health in stream 3";
    answered(conversation, 3, sent)
}

/// Requires a response with status 200.
fn answered(conversation: &Conversation, stream: u32, sent: &str) -> Judgement {
    require(conversation.is_answered(stream), || {
        let expected = format!("HEADERS with status 200 of stream {stream}");
        Finding::new(sent, conversation.text(), expected)
    })
}
