//! SRV-5 and SRV-7: handlers that panic, or block their thread.

use std::time::Duration;

use crate::verify::{
    evidence::Evidence,
    judgement::{Fault, Finding, Judgement, require},
    metrics::Scrape,
    routes::Route,
    subject::{COUNTED, Subject},
};

/// The time for which a handler blocks its thread. A worker is stuck after 2 s, up to 0.5 s late.
const BLOCKED_MS: u64 = 3300;
const BLOCKED: Duration = Duration::from_millis(BLOCKED_MS);

/// The time that is left for the record.
const LEFT: Duration = Duration::from_millis(BLOCKED_MS - 2500);

const COUNTER: &str = "panics_total";

pub(super) async fn panics(subject: &mut Subject<'_>) {
    let Some(path) = subject.route(Route::Panic, &[]) else {
        return;
    };
    subject.scrape("before").await;
    subject.get_marked("panic", &path, &[]).await;
    subject.scrape_until_risen(COUNTER, &[], 1).await;
    subject.settle().await;
}

pub(super) async fn blocks(subject: &mut Subject<'_>) {
    let Some(path) = subject.route(Route::Block, &[("ms", BLOCKED_MS)]) else {
        return;
    };
    subject.get("metrics", "/metrics", &[]).await;
    subject.get_marked("block", &path, &[]).await;
    subject.wait_for_line("worker_recovered").await;
}

pub(super) fn response(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange_of(Route::Panic, "panic")?;
    let id = exchange.response().and_then(|it| it.header("x-request-id"));
    let holds = exchange.status() == Some(500) && id == Some(exchange.nonce.as_str());
    require(holds, || {
        Finding::response(exchange, "status 500 with the X-Request-ID of the request")
    })
}

pub(super) fn record(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange_of(Route::Panic, "panic")?;
    let mut records = evidence.records_of(exchange)?;
    records.retain(|record| {
        record.text("levelname") == Some("ERROR") && record.text("message") != Some("http_request")
    });
    let has_location = |name: &str| records.iter().any(|record| record.text(name).is_some());
    require(records.len() == 1 && has_location("location"), || {
        let lines: Vec<&str> = records.iter().map(|record| record.line()).collect();
        let received = format!("{} records at ERROR\n{}", records.len(), lines.join("\n"));
        let expected = "one record at ERROR with the request id and location";
        Finding::exchange(exchange, received.trim_end().to_owned(), expected)
    })
}

pub(super) fn count(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange_of(Route::Panic, "panic")?;
    let rise = evidence.rise(COUNTER, &[])?;
    // A service at a URL can have other clients, with other panics.
    let holds = rise == 1.0 || (evidence.start.is_none() && rise > 1.0);
    if holds {
        return Ok(());
    }
    let received = format!("{COUNTER} rose by {rise}");
    let finding = Finding::exchange(exchange, received, "a rise by 1").about(COUNTER);
    // A panic is counted after its response.
    Err(Fault::late(finding, COUNTED, evidence.lag))
}

pub(super) fn stuck(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange_of(Route::Block, "block")?;
    let time = exchange.time();
    if time < BLOCKED {
        let time = time.as_millis();
        let reason = format!("the route block has answered after {time} ms");
        return Err(Fault::not_proven(reason));
    }
    let metrics = Scrape::of(evidence.exchange("metrics")?)?;
    let stuck = evidence.records_with("worker_stuck")?;
    let recovered = evidence.records_with("worker_recovered")?;
    let has_workers = metrics
        .samples("runtime_worker_silence_seconds")
        .next()
        .is_some();
    if stuck.is_empty() && recovered.is_empty() && !has_workers {
        let reason = "the service reports no workers: handlers can have threads of their own";
        return Err(Fault::not_proven(reason));
    }
    let is_named = |id: Option<&str>| id == Some(exchange.nonce.as_str());
    let holds = stuck
        .iter()
        .any(|record| is_named(record.text("request_id")));
    if holds && !recovered.is_empty() {
        return Ok(());
    }
    let lines = stuck.iter().chain(&recovered).map(|record| record.line());
    let lines: Vec<&str> = lines.collect();
    let received = match lines.is_empty() {
        true => "neither record".to_owned(),
        false => lines.join("\n"),
    };
    let expected = "a record worker_stuck with the request id, then worker_recovered";
    let finding = Finding::exchange(exchange, received, expected);
    Err(Fault::late(finding, LEFT, evidence.lag))
}
