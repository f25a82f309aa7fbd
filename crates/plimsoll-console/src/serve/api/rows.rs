//! Requests and records, in pages from the newest to the oldest, and one request with its records.

use axum::{
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::Response,
};

use super::{Api, json, traces};
use crate::serve::{problem::Problem, query::Query};

/// Rows of a page if the request names no number.
const LIMIT: u64 = 200;

/// The most rows of a page.
const MAX_LIMIT: u64 = 1_000;

const PARAMETERS: &[&str] = &["filter", "before", "limit"];

/// `GET /api/requests`
pub(super) async fn requests(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(&uri, PARAMETERS)?;
    let (filter, before, limit) = (query.filter()?, query.number("before")?, limit(&query)?);
    let spans = api.parts.spans.clone();
    let page = api.search(move |store| {
        let mut page = store.requests(&filter, before, limit);
        spans.count_in(&mut page.items);
        page
    });
    json(StatusCode::OK, &page.await?)
}

/// `GET /api/logs`
pub(super) async fn logs(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(&uri, PARAMETERS)?;
    let (filter, before, limit) = (query.filter()?, query.number("before")?, limit(&query)?);
    let page = api.search(move |store| store.logs(&filter, before, limit));
    json(StatusCode::OK, &page.await?)
}

/// `GET /api/requests/{n}`
pub(super) async fn request(
    State(api): State<Api>,
    Path(n): Path<String>,
) -> Result<Response, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "no request with this number is kept");
    let n: u64 = n.parse().map_err(|_| missing())?;
    let spans = api.parts.spans.clone();
    let request = api.search(move |store| {
        let mut request = store.request(n)?;
        let name = |service| traces::name(store, service);
        spans.complete(&mut request, |name| store.service(name), name);
        Some(request)
    });
    let request = request.await?;
    json(StatusCode::OK, &request.ok_or_else(missing)?)
}

fn limit(query: &Query) -> Result<usize, Problem> {
    let limit = query.number("limit")?.unwrap_or(LIMIT);
    // It fits: the value is small.
    Ok(usize::try_from(limit.clamp(1, MAX_LIMIT)).unwrap_or(1))
}
