//! The state of the console: services, runs, the numbers of the store.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;

use super::{Api, json};
use crate::{
    children::ServiceView,
    serve::problem::Problem,
    store::{StoreNumbers, StoreState, span::SpanState},
};

#[derive(Debug, Serialize)]
struct StateView<'s> {
    version: &'static str,
    now: f64,
    services: Vec<ServiceView<'s>>,
    store: StoreNumbers,
    spans: SpanState,
}

/// `GET /api/state`
pub(super) async fn state(State(api): State<Api>) -> Result<Response, Problem> {
    let state = api.parts.store.state();
    let view = StateView {
        version: env!("CARGO_PKG_VERSION"),
        now: now(),
        services: api.service_views(&state),
        store: state.store,
        spans: api.parts.spans.state(),
    };
    json(StatusCode::OK, &view)
}

impl Api {
    /// Returns all services, with the requests of their runs.
    pub(in crate::serve) fn service_views<'s>(
        &'s self,
        state: &StoreState,
    ) -> Vec<ServiceView<'s>> {
        let services = self.parts.services.all().iter();
        services
            .map(|service| {
                let mut stored = state.services.iter();
                let stored = stored.find(|stored| *stored.name == *service.name());
                service.view(|number| {
                    let mut runs = stored?.runs.iter();
                    Some(runs.find(|run| run.run == number)?.requests)
                })
            })
            .collect()
    }
}

/// Returns the time as seconds since 1970, with milliseconds.
pub(in crate::serve) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    (since.unwrap_or_default().as_secs_f64() * 1000.0).round() / 1000.0
}
