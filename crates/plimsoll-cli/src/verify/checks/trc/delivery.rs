//! TRC-6 to TRC-8: the way of spans to a collector, their counts, and exemplars.

use std::time::Duration;

use serde_json::Value;

use super::{span_of, wait_for_last};
use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        metrics::Scrape,
        probe::{Observation, Probe},
        scenario::{STUCK_TRACES, TRACED},
        subject::Subject,
    },
    wire::Exchange,
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &TRACED,
        observation: Observation::Session(|subject| Box::pin(scrapes(subject))),
        checks: &[("TRC-7:counts", counts), ("TRC-8:exemplars", exemplars)],
    },
    Probe {
        scenario: &STUCK_TRACES,
        observation: Observation::Session(|subject| Box::pin(requests(subject))),
        checks: &[("TRC-6:requests", answered)],
    },
    Probe {
        scenario: &STUCK_TRACES,
        observation: Observation::Session(|subject| Box::pin(shutdown(subject))),
        checks: &[("TRC-6:shutdown", ended), ("TRC-7:ended", report)],
    },
];

/// The header of a scrape in the format that has exemplars.
const OPENMETRICS: &str = "Accept: application/openmetrics-text; version=1.0.0";

/// The longest wait until all spans are counted as exported or dropped.
const EXPORTED: Duration = Duration::from_secs(2);

/// Requests to a service whose collector hangs.
const REQUESTS: usize = 100;

/// The longest time for one of them. A service that waits for its collector waits for seconds.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);

/// The time that spans may delay the end of the service, and the time for all else.
const END_LIMIT: Duration = Duration::from_secs(2);
const TOLERANCE: Duration = Duration::from_secs(3);

async fn scrapes(subject: &mut Subject<'_>) {
    subject
        .get_marked("recorded", "/?plimsoll={nonce}", &[])
        .await;
    wait_for_last(subject).await;
    let is_counted = |evidence: &Evidence| {
        let last = evidence.exchanges.last();
        last.is_some_and(|scrape| counts_of(scrape).is_ok_and(|[all, ended]| all == ended))
    };
    subject.scrape_until("counts", EXPORTED, is_counted).await;
    subject.get("exemplars", "/metrics", &[OPENMETRICS]).await;
}

async fn requests(subject: &mut Subject<'_>) {
    for _ in 0..REQUESTS {
        subject
            .send_kept("stuck", "GET", "/?plimsoll={nonce}")
            .await;
    }
}

async fn shutdown(subject: &mut Subject<'_>) {
    subject.terminate();
    subject.wait_for_end(2 * (END_LIMIT + TOLERANCE)).await;
}

pub(super) fn retried(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("first")?;
    span_of(evidence, exchange).map_err(|_| {
        let received = "no span after the first batch was rejected with 503".to_owned();
        Finding::exchange(exchange, received, "the span in a later batch")
    })?;
    Ok(())
}

/// Returns the number of spans, and that of exported and dropped ones.
fn counts_of(exchange: &Exchange) -> Result<[f64; 2], Fault> {
    let scrape = Scrape::of(exchange)?;
    let [all, exported, dropped] = [
        "trace_spans_total",
        "trace_spans_exported_total",
        "trace_spans_dropped_total",
    ]
    .map(|name| scrape.sum(name, &[]));
    Ok([all, exported + dropped])
}

fn counts(evidence: &Evidence) -> Judgement {
    let last = evidence.exchanges("counts").last();
    let last = last.ok_or_else(|| Fault::not_proven("no scrape was sent"))?;
    let [all, ended] = counts_of(last)?;
    require(all > 0.0 && all == ended, || {
        let received =
            format!("trace_spans_total {all}, and {ended} exported or dropped, 2 s after the last");
        Finding::exchange(last, received, "equal numbers above 0")
    })
}

fn exemplars(evidence: &Evidence) -> Judgement {
    const BUCKET: &str = "http_request_duration_seconds_bucket";
    let has_exemplar = |line: &str| line.starts_with(BUCKET) && line.contains(" # {");
    let (exchange, response) = evidence.answer("exemplars")?;
    let text = response.text();
    let exemplar = text.lines().find(|line| has_exemplar(line));
    let has_ids =
        exemplar.is_some_and(|line| line.contains("trace_id=\"") && line.contains("span_id=\""));
    require(has_ids, || {
        let received = exemplar.unwrap_or("no exemplar").to_owned();
        let expected = format!("a {BUCKET} with an exemplar of trace_id and span_id");
        Finding::exchange(exchange, received, expected)
    })?;
    let (exchange, response) = evidence.answer("counts")?;
    let text = response.text();
    let exemplar = text.lines().find(|line| has_exemplar(line));
    require(exemplar.is_none(), || {
        let received = exemplar.unwrap_or_default().to_owned();
        Finding::exchange(exchange, received, "no exemplar outside of OpenMetrics")
    })
}

fn answered(evidence: &Evidence) -> Judgement {
    let expected = "an answer within 2 s, although the collector answers nothing";
    for exchange in evidence.exchanges("stuck") {
        require(exchange.response().is_some(), || {
            Finding::response(exchange, expected)
        })?;
        let time = exchange.time();
        if time <= REQUEST_LIMIT {
            continue;
        }
        let received = format!("an answer after {} ms", time.as_millis());
        let finding = Finding::exchange(exchange, received, expected);
        return Err(Fault::late(finding, REQUEST_LIMIT, evidence.lag));
    }
    Ok(())
}

fn ended(evidence: &Evidence) -> Judgement {
    let sent = "SIGTERM, while the collector answers nothing";
    let expected = "the end of the process, which spans delay by 2 s at most";
    let stopped = evidence.shutdown;
    let stopped = stopped.ok_or_else(|| Fault::not_proven("no SIGTERM was sent"))?;
    let Some(end) = stopped.end else {
        return Err(Finding::new(sent, "no end within 10 s", expected).into());
    };
    let after = end.at.saturating_sub(stopped.signal);
    if after <= END_LIMIT + TOLERANCE {
        return Ok(());
    }
    let received = format!("{end}, after {} ms", after.as_millis());
    let finding = Finding::new(sent, received, expected);
    Err(Fault::late(finding, TOLERANCE, evidence.lag))
}

fn report(evidence: &Evidence) -> Judgement {
    const MESSAGE: &str = "trace_export_ended";
    let expected = "a record trace_export_ended whose spansExported and spansDropped add up to \
                    spansProduced";
    let records = evidence.records_with(MESSAGE)?;
    let Some(record) = records.last() else {
        let received = format!("no record {MESSAGE}");
        return Err(Finding::new("SIGTERM", received, expected).into());
    };
    let count = |name: &str| record.get(name).and_then(Value::as_u64);
    let names = ["spansProduced", "spansExported", "spansDropped"];
    let holds = match names.map(count) {
        [Some(all), Some(exported), Some(dropped)] => all == exported + dropped,
        _ => false,
    };
    require(holds, || Finding::new("SIGTERM", record.line(), expected))
}
