//! RID: request ids in responses. RID-3 is judged in `log.rs`, RID-4 in `paths.rs`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Finding, Judgement, require},
        probe::{Observation, Probe},
        scenario::BASE,
        subject::{Subject, request},
    },
    wire::Exchange,
};

pub(super) const PROBES: &[Probe] = &[Probe {
    scenario: &BASE,
    observation: Observation::Session(|subject| Box::pin(ids(subject))),
    checks: &[
        ("RID-1:echo", echo),
        ("RID-1:generated", generated),
        ("RID-5:unique", unique),
    ],
}];

/// Ids at the edges of the rule. The record of a replaced one is found by the id of the response.
pub(super) const RECORDED: &[Probe] = &[Probe {
    scenario: &BASE,
    observation: Observation::Session(|subject| Box::pin(edges(subject))),
    checks: &[
        ("RID-2:kept", kept),
        ("RID-2:length", |evidence| replaced(evidence, "long")),
        ("RID-2:charset", |evidence| replaced(evidence, "charset")),
        ("RID-2:repeated", |evidence| replaced(evidence, "repeated")),
        ("RID-2:record", record),
    ],
}];

/// Requests without an id, whose ids are compared.
const GENERATED: usize = 200;

/// All permitted characters.
const PERMITTED: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:/+=";

/// Ends of ids with a character that is not permitted.
const OTHERS: [&str; 5] = [" b", "\"b", "\tb", ",b", "\u{e4}b"];

async fn ids(subject: &mut Subject<'_>) {
    subject.get_marked("with id", "/", &[]).await;
    for _ in 0..GENERATED {
        subject.get("without id", "/", &[]).await;
    }
}

async fn edges(subject: &mut Subject<'_>) {
    let longest: String = PERMITTED.chars().cycle().take(128).collect();
    send(subject, "kept", |_| vec![longest.clone()]).await;
    // 129 characters.
    send(subject, "long", |nonce| {
        vec![format!("{nonce}{}", "a".repeat(129 - nonce.len()))]
    })
    .await;
    for end in OTHERS {
        send(subject, "charset", |nonce| vec![format!("{nonce}{end}")]).await;
    }
    send(subject, "repeated", |nonce| vec![nonce.to_owned(); 2]).await;
    subject.settle().await;
}

/// Sends a request with ids made from its nonce, which is in the query, too.
async fn send(subject: &mut Subject<'_>, name: &'static str, ids: impl Fn(&str) -> Vec<String>) {
    let nonce = subject.nonce();
    let ids = ids(&nonce);
    let headers: Vec<String> = ids.iter().map(|id| format!("X-Request-ID: {id}")).collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let bytes = request("GET", &format!("/?plimsoll={nonce}"), &headers);
    subject.send(name, nonce, bytes).await;
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

fn unique(evidence: &Evidence) -> Judgement {
    let mut ids = BTreeSet::new();
    for exchange in evidence.exchanges("without id") {
        let response = exchange.response();
        let id = response.and_then(|response| response.header("x-request-id"));
        require(id.is_none_or(|id| ids.insert(id)), || {
            let sent = format!("GET /, {GENERATED} times");
            Finding::new(sent, format!("{} twice", header(id)), "different ids")
        })?;
    }
    Ok(())
}

fn kept(evidence: &Evidence) -> Judgement {
    let (exchange, response) = evidence.answer("kept")?;
    let id = response.header("x-request-id");
    let holds = id.is_some() && id == sent_id(exchange).as_deref();
    require(holds, || {
        Finding::exchange(exchange, header(id), "the id of the request")
    })
}

fn replaced(evidence: &Evidence, name: &str) -> Judgement {
    for exchange in evidence.exchanges(name) {
        // A server may reject such a request: then no id is passed on.
        let Some(response) = exchange.response().filter(|it| it.status != 400) else {
            continue;
        };
        let id = response.header("x-request-id");
        // Two headers can come back joined, and a long id shortened.
        let holds = id.is_some_and(|id| !id.contains(&exchange.nonce));
        require(holds, || {
            Finding::exchange(
                exchange,
                header(id),
                "an id without a part of the request's",
            )
        })?;
    }
    Ok(())
}

fn record(evidence: &Evidence) -> Judgement {
    let (exchange, record) = evidence.access_record("charset")?;
    let is_marked = record.get("requestIdReplaced") == Some(&Value::Bool(true));
    require(is_marked, || {
        Finding::record(exchange, &record, "requestIdReplaced true")
    })
}

/// Returns the first id of a request.
fn sent_id(exchange: &Exchange) -> Option<String> {
    let request = String::from_utf8_lossy(&exchange.request);
    let mut lines = request.split("\r\n");
    let id = lines.find_map(|line| line.strip_prefix("X-Request-ID: "))?;
    Some(id.to_owned())
}

fn header(id: Option<&str>) -> String {
    id.map_or("no x-request-id".to_owned(), |id| {
        format!("x-request-id: {id}")
    })
}
