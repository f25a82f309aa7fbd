//! H2-5: streams across SIGTERM.

use std::time::Duration;

use tokio::time::sleep;

use super::{LIMIT, health};
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
    wire::{Frame, Frames, GOAWAY},
};

pub(super) const PROBES: &[Probe] = &[Probe {
    scenario: &HTTP2,
    observation: Observation::Session(|subject| Box::pin(drain(subject))),
    checks: &[("H2-5:goaway", goaway), ("H2-5:streams", streams)],
}];

/// The stream that is open at the signal, and its time in milliseconds.
const OPEN: u32 = 3;
const SLOW: u64 = 1000;

/// The time from the request to the signal.
const BEFORE: Duration = Duration::from_millis(200);

async fn drain(subject: &mut Subject<'_>) {
    let mut conversation = Conversation::new("drain");
    if let Ok(connection) = subject.wire().connect().await
        && let Ok(mut connection) = Frames::begin(connection).await
        && connection.send(&[health(1)]).await.is_ok()
    {
        let is_first = |frame: &Frame| frame.ends(1);
        conversation.read(&mut connection, LIMIT, is_first).await;
        if let Some(slow) = subject.route(Route::Slow, &[("ms", SLOW)]) {
            let request = Frame::request(OPEN, "GET", &slow);
            if connection.send(&[request]).await.is_err() {
                conversation.is_closed = true;
            }
            sleep(BEFORE).await;
        }
        subject.terminate();
        conversation.read(&mut connection, LIMIT, |_| false).await;
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
