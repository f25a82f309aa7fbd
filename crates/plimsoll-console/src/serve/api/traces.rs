//! One trace: its spans in the order of their tree, and the requests and records with its id.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::Serialize;

use super::{Api, json};
use crate::{
    serve::problem::Problem,
    store::{
        LogRow, RequestRow, ServiceId, Store,
        span::{SpanDetail, SpanId, Spans, TraceId},
    },
};

/// The most requests of a trace, and the most records.
const MAX_ROWS: usize = 1_000;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    trace: TraceId,
    spans: Vec<SpanDetail>,
    missing_parents: Vec<SpanId>,
    /// The number of further spans.
    omitted: usize,
    requests: Vec<RequestRow>,
    records: Vec<LogRow>,
}

/// `GET /api/traces/{id}`
pub(super) async fn trace(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "nothing of this trace is kept");
    let id = TraceId::from_hex(&id).ok_or_else(missing)?;
    let spans = api.parts.spans.clone();
    let found = api.search(move |store| find(store, &spans, id)).await?;
    json(StatusCode::OK, &found.ok_or_else(missing)?)
}

fn find(store: &Store, spans: &Spans, id: TraceId) -> Option<Trace> {
    let text = id.to_string();
    let mut requests = store.trace_requests(&text, MAX_ROWS);
    spans.count_in(&mut requests);
    let records = store.trace(&text, MAX_ROWS);
    let found = spans.trace(&id, |service| name(store, service));
    if found.is_none() && records.is_empty() {
        return None;
    }
    let (spans, missing_parents, omitted) = found
        .map(|found| (found.spans, found.missing_parents, found.omitted))
        .unwrap_or_default();
    Some(Trace {
        trace: id,
        spans,
        missing_parents,
        omitted,
        requests,
        records,
    })
}

/// Returns the name of a service, which the store has for every id.
pub(super) fn name(store: &Store, service: ServiceId) -> String {
    let name = store.name(service);
    name.map_or_else(String::new, |name| name.to_string())
}
