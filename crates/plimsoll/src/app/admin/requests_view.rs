//! `/admin/requests`: the requests in flight, the oldest first (contract ADM-16).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    answer::{cut, millis},
    controls::Controls,
    routes_view::MAX_PATTERN,
};
use crate::{metrics::RouteId, request::InFlightRequest};

/// The most requests in the view.
const MAX_REQUESTS: usize = 200;

pub(super) fn view(controls: &Controls) -> Value {
    let mut requests: Vec<_> = requests(controls).collect();
    requests.sort_unstable_by_key(|request| request.began);
    let total = requests.len();
    requests.truncate(MAX_REQUESTS);
    let http = &controls.registry.http;
    let requests: Vec<_> = requests
        .iter()
        .map(|request| {
            json!({
                "id": request.id,
                "route": cut(http.pattern(request.route), MAX_PATTERN),
                "ageMs": millis(request.began.age()),
                "worker": request.worker,
                "phase": request.phase.as_str(),
            })
        })
        .collect();
    json!({
        // May exceed `total`: the table has entries for only some of them.
        "inFlight": http.in_flight(),
        "total": total,
        "truncated": requests.len() < total,
        "requests": requests,
    })
}

/// Returns the number of requests in flight of each route that has any.
pub(super) fn by_route(controls: &Controls) -> BTreeMap<RouteId, usize> {
    let mut counts = BTreeMap::new();
    for request in requests(controls) {
        *counts.entry(request.route).or_default() += 1;
    }
    counts
}

fn requests(controls: &Controls) -> impl Iterator<Item = InFlightRequest> {
    let table = controls.registry.in_flight.get();
    table.into_iter().flat_map(|table| table.requests())
}
