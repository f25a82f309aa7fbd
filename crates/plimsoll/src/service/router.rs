//! The service's router, made ready: no path of the chassis is taken, and every route is known to the
//! edge.

use std::sync::Arc;

use axum::{Router, routing::any};

use super::exit::Failure;
use crate::{
    edge::{ENDPOINT_PATHS, Routes},
    metrics::Registry,
    telemetry::quietly,
};

/// Completes the service's routes.
///
/// # Errors
///
/// If one of them is a path of the chassis (contract HTTP-10).
pub(super) fn complete(router: Router, registry: &Arc<Registry>) -> Result<Routes, Failure> {
    for path in ENDPOINT_PATHS {
        // axum lists no routes, but refuses to add one that is there already.
        if quietly(|| router.clone().route_service(path, any(async || ()))).is_err() {
            return Err(Failure::RouteTaken(path));
        }
    }
    Ok(Routes::new(router, registry))
}

/// Adds the routes of the set-up to those of the builder.
///
/// # Errors
///
/// If two of them clash, in axum's words.
pub(super) fn merge(router: Router, more: Router) -> Result<Router, Failure> {
    quietly(|| router.merge(more)).map_err(|place| Failure::RoutesClash(place.message))
}
