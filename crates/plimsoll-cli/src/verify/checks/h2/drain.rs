//! H2-5 and H2-6: streams and WebSockets across SIGTERM.

use super::{LIMIT, connect, health, websocket};
use crate::{
    verify::{
        conversation::Conversation,
        evidence::Evidence,
        judgement::{Finding, Judgement, require},
        probe::{Observation, Probe},
        routes::Route,
        scenario::HTTP2,
        subject::Subject,
    },
    wire::{Frame, GOAWAY, PING},
};

pub(super) const PROBES: &[Probe] = &[Probe {
    scenario: &HTTP2,
    observation: Observation::Session(|subject| Box::pin(drain(subject))),
    checks: &[
        ("H2-5:goaway", goaway),
        ("H2-5:streams", streams),
        ("H2-6:drain", websocket::drained),
    ],
}];

/// The stream that is open at the signal, and its time in milliseconds.
const OPEN: u32 = 3;
const SLOW: u64 = 1000;

async fn drain(subject: &mut Subject<'_>) {
    let Some(mut connection) = connect(subject).await else {
        return;
    };
    let mut conversation = Conversation::new("drain");
    if connection.send(&[health(1)]).await.is_ok() {
        let is_first = |frame: &Frame| frame.ends(1);
        conversation.read(&mut connection, LIMIT, is_first).await;
        // First, since the slow response ends after a second.
        let mut websocket = websocket::open(subject, websocket::DRAINED).await;
        if let Some(slow) = subject.route(Route::Slow, &[("ms", SLOW)]) {
            let frames = [Frame::request(OPEN, "GET", &slow), Frame::ping()];
            if connection.send(&frames).await.is_err() {
                conversation.is_closed = true;
            }
            // The service reads frames in their order, so the answer follows the begin of the stream.
            let is_pong = |frame: &Frame| frame.kind == PING && frame.flags != 0;
            conversation.read(&mut connection, LIMIT, is_pong).await;
        }
        subject.terminate();
        let read_websocket = async {
            if let Some((connection, conversation)) = &mut websocket {
                conversation.read(connection, LIMIT, |_| false).await;
            }
        };
        let read = conversation.read(&mut connection, LIMIT, |_| false);
        tokio::join!(read, read_websocket);
        if let Some((_, conversation)) = websocket {
            subject.add_conversation(conversation);
        }
    }
    subject.add_conversation(conversation);
}

fn goaway(evidence: &Evidence) -> Judgement {
    let conversation = evidence.conversation("drain")?;
    require(conversation.has(GOAWAY), || {
        let sent = "GET /health over HTTP/2, and SIGTERM";
        Finding::new(sent, conversation.text(), "GOAWAY")
    })
}

fn streams(evidence: &Evidence) -> Judgement {
    evidence.require_route(Route::Slow)?;
    let conversation = evidence.conversation("drain")?;
    let is_finished = conversation.is_answered(OPEN) && conversation.has_ended(OPEN);
    require(is_finished, || {
        let sent = format!("GET of the route slow in stream {OPEN}, and SIGTERM");
        let expected = format!("a complete response of stream {OPEN}");
        Finding::new(sent, conversation.text(), expected)
    })
}
