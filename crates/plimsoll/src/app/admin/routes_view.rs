//! `/admin/routes`: the routes requested so far, the most requested first (contract ADM-16).

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{answer::cut, controls::Controls, requests_view};
use crate::metrics::{RouteSummary, STATUS_CLASSES};

/// The most routes in the view.
const MAX_ROUTES: usize = 200;

/// The longest pattern of a route, in bytes.
pub(super) const MAX_PATTERN: usize = 256;

pub(super) fn view(controls: &Controls) -> Value {
    let http = &controls.registry.http;
    let in_flight = requests_view::by_route(controls);
    let (total, routes) = http.summaries(MAX_ROUTES, |route| in_flight.contains_key(&route));
    let routes: Vec<_> = routes
        .iter()
        .map(|summary| route(summary, in_flight.get(&summary.id).copied().unwrap_or(0)))
        .collect();
    json!({
        "inFlight": http.in_flight(),
        "total": total,
        "truncated": routes.len() < total,
        "routes": routes,
    })
}

fn route(route: &RouteSummary<'_>, in_flight: usize) -> Value {
    let classes = STATUS_CLASSES.into_iter().zip(route.by_class);
    let classes: Map<_, _> = classes
        .map(|(class, count)| (class.to_owned(), count.into()))
        .collect();
    json!({
        "route": cut(route.pattern, MAX_PATTERN),
        "requests": route.requests,
        "byClass": classes,
        "inFlight": in_flight,
        "p50Ms": milliseconds(route.p50),
        "p99Ms": milliseconds(route.p99),
    })
}

/// Returns a time in milliseconds, with a fraction down to microseconds.
fn milliseconds(time: Duration) -> f64 {
    // The last bound of the histogram is 10 s.
    f64::from(u32::try_from(time.as_micros()).unwrap_or(u32::MAX)) / 1000.0
}
