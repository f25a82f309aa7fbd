//! RID: request ids in responses. Their records are judged in `log.rs`.

use crate::verify::{
    evidence::Evidence,
    judgement::{Finding, Judgement, require},
    probe::{Observation, Probe},
    scenario::BASE,
    subject::Subject,
};

pub(super) const PROBES: &[Probe] = &[Probe {
    scenario: &BASE,
    observation: Observation::Session(|subject| Box::pin(ids(subject))),
    checks: &[("RID-1:echo", echo), ("RID-1:generated", generated)],
}];

async fn ids(subject: &mut Subject<'_>) {
    subject.get_marked("with id", "/", &[]).await;
    subject.get("without id", "/", &[]).await;
}

fn echo(evidence: &Evidence) -> Judgement {
    let (exchange, response) = evidence.answer("with id")?;
    let id = response.header("x-request-id");
    require(id == Some(exchange.nonce.as_str()), || {
        Finding::exchange(
            exchange,
            header(id),
            format!("x-request-id: {}", exchange.nonce),
        )
    })
}

fn generated(evidence: &Evidence) -> Judgement {
    let (exchange, response) = evidence.answer("without id")?;
    let id = response.header("x-request-id");
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let holds = id.is_some_and(|id| id.len() == 32 && id.bytes().all(is_digit));
    require(holds, || {
        let expected = "x-request-id of 32 hexadecimal digits in lower case";
        Finding::exchange(exchange, header(id), expected)
    })
}

fn header(id: Option<&str>) -> String {
    id.map_or("no x-request-id".to_owned(), |id| {
        format!("x-request-id: {id}")
    })
}
