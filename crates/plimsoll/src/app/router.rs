//! Checks and completes the service's router.
//!
//! The routes of builder and set-up are merged, and checked against the paths of the chassis. Then they
//! are registered with the edge, and wrapped in the layers of the builder.

use std::{fmt, sync::Arc};

use axum::Router;
use http::Method;

use super::exit::StartFailure;
use crate::{
    config::Level,
    edge::{EndpointSet, RouteMatcher, Routes},
    metrics::Registry,
    telemetry::{Log, quietly},
};

/// The layers around routing, the innermost first.
#[derive(Default)]
pub(super) struct Layers(pub(super) Vec<Box<dyn FnOnce(Router) -> Router + Send>>);

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Layers").field(&self.0.len()).finish()
    }
}

/// A route whose pattern also matches paths of the chassis.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shadowed {
    pattern: String,
    paths: Vec<&'static str>,
}

/// Checks the routes against the chassis's paths on the main listener. Returns the shadowed routes.
///
/// # Errors
///
/// If the pattern of a route is one of these paths (contract HTTP-10).
pub(super) fn check(router: &Router, reserved: EndpointSet) -> Result<Vec<Shadowed>, StartFailure> {
    let matcher = RouteMatcher::new(&router.clone().with_state(()));
    let mut shadowed: Vec<Shadowed> = Vec::new();
    for path in reserved.paths() {
        let found = matcher.find_path(&Method::GET, path);
        let pattern = match &found.pattern {
            Some(pattern) => Some(pattern.as_str().to_owned()),
            None => matcher.nest(&Method::GET, path),
        };
        let Some(pattern) = pattern else { continue };
        if pattern == path {
            return Err(StartFailure::RouteTaken(path));
        }
        match shadowed.iter_mut().find(|it| it.pattern == pattern) {
            Some(route) => route.paths.push(path),
            None => shadowed.push(Shadowed {
                pattern,
                paths: vec![path],
            }),
        }
    }
    Ok(shadowed)
}

/// Completes the service's routes, and logs the shadowed ones.
///
/// # Errors
///
/// Those of [`check`].
pub(super) fn complete(
    router: Router,
    layers: Layers,
    reserved: EndpointSet,
    registry: &Arc<Registry>,
    log: &Log,
) -> Result<Routes, StartFailure> {
    for Shadowed { pattern, paths } in check(&router, reserved)? {
        log.infra(Level::Warning, "route_shadowed", |record| {
            record.str("pattern", &pattern);
            record.str("paths", &paths.join(" "));
            record.str("hint", "the chassis answers these paths, not the route");
        });
    }
    let routes = Routes::new(router, registry);
    Ok(match layers.0.is_empty() {
        true => routes,
        false => routes.layered(|router| {
            let layers = layers.0.into_iter();
            layers.fold(router, |router, layer| layer(router))
        }),
    })
}

/// Adds the routes of the set-up to those of the builder.
///
/// # Errors
///
/// If two routes clash. The text is axum's panic message.
pub(super) fn merge(router: Router, more: Router) -> Result<Router, StartFailure> {
    quietly(|| router.merge(more)).map_err(|panic| StartFailure::RoutesClash(panic.message))
}
