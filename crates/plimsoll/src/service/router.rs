//! The service's router, made ready: the chassis's answers where the service has none, and every
//! route known to the edge.

use std::sync::Arc;

use axum::{Router, routing::any};

use super::exit::Failure;
use crate::{
    edge::{ENDPOINT_PATHS, Routes, method_not_allowed, not_found},
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
        if quietly(|| router.clone().route_service(path, any(not_found))).is_err() {
            return Err(Failure::RouteTaken(path));
        }
    }
    // Likewise there is no way to ask for a fallback, but two of them cannot be merged.
    let router = quietly(|| Router::new().fallback(not_found).merge(router.clone()))
        .unwrap_or(router)
        .method_not_allowed_fallback(method_not_allowed);
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
