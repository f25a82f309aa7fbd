//! The router of the operator controls: the paths below `/admin`, and the check of each client.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get, post},
};
use http::{HeaderValue, header};
use serde_json::json;

use super::{
    config_view, controls::Controls, errors_view, levels, routes_view, runtime_view, views,
};
use crate::edge::control_label;

/// A path of the controls, for the index.
struct ControlPath {
    path: &'static str,
    methods: &'static str,
    meaning: &'static str,
    route: fn() -> MethodRouter<Arc<Controls>>,
}

/// Returns the paths below `/admin`.
fn paths() -> [ControlPath; 12] {
    [
        ControlPath {
            path: "/admin",
            methods: "GET",
            meaning: "this index",
            route: || get(index),
        },
        ControlPath {
            path: "/admin/changes",
            methods: "GET",
            meaning: "changes in force, and the last 64 past ones",
            route: || get(views::changes),
        },
        ControlPath {
            path: "/admin/checks",
            methods: "GET",
            meaning: "health checks, their results and last changes",
            route: || get(views::checks),
        },
        ControlPath {
            path: "/admin/checks/{name}",
            methods: "PUT policy=observe, DELETE",
            meaning: "removes the hold of a check on readiness, for 1h by default",
            route: || axum::routing::put(views::lift_check).delete(views::restore_check),
        },
        ControlPath {
            path: "/admin/config",
            methods: "GET",
            meaning: "settings in force, with their origins",
            route: || get(config_view::show),
        },
        ControlPath {
            path: "/admin/drain",
            methods: "POST",
            meaning: "begins a graceful shutdown, as SIGTERM does",
            route: || post(views::drain),
        },
        ControlPath {
            path: "/admin/errors",
            methods: "GET",
            meaning: "the last ERROR records and panics, in 64 groups",
            route: || get(errors_view::show),
        },
        ControlPath {
            path: "/admin/loglevel",
            methods: "GET, PUT level=…, DELETE",
            meaning: "levels in the format of LOG_LEVEL, for 10m by default",
            route: || get(levels::show).put(levels::set).delete(levels::reset),
        },
        ControlPath {
            path: "/admin/loglevel/request",
            methods: "GET, PUT id=… level=…, DELETE",
            meaning: "levels of the requests with an id, for 10m by default",
            route: || {
                get(levels::show_requests)
                    .put(levels::set_request)
                    .delete(levels::reset_requests)
            },
        },
        ControlPath {
            path: "/admin/readiness",
            methods: "GET, PUT ready=false, DELETE",
            meaning: "takes the instance out of rotation, for 30m by default",
            route: || {
                get(views::readiness)
                    .put(views::hold_readiness)
                    .delete(views::release_readiness)
            },
        },
        ControlPath {
            path: "/admin/routes",
            methods: "GET",
            meaning: "requests and latencies of each route, the most requested first",
            route: || get(routes_view::show),
        },
        ControlPath {
            path: "/admin/runtime",
            methods: "GET",
            meaning: "workers, threads, memory, control group and open files",
            route: || get(runtime_view::show),
        },
    ]
}

/// Returns the routes of the controls.
pub(super) fn router(controls: Arc<Controls>) -> Router {
    let routes = paths().iter().fold(Router::new(), |router, path| {
        router.route(path.path, (path.route)())
    });
    let guarded = middleware::from_fn_with_state(Arc::clone(&controls), guard);
    routes.with_state(controls).layer(guarded)
}

/// Rejects clients without authorisation. No response is stored.
async fn guard(
    State(controls): State<Arc<Controls>>,
    mut request: Request,
    next: Next,
) -> Response {
    if control_label(request.uri().path()).is_none() {
        // Paths beside the controls are 404, as without them.
        return next.run(request).await;
    }
    let checked =
        controls
            .authorisation
            .check(request.uri(), request.headers(), request.extensions());
    let mut response = match checked {
        Ok(client) => {
            request.extensions_mut().insert(client);
            next.run(request).await
        }
        Err(denial) => controls.deny(denial).into_response(),
    };
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

async fn index(State(controls): State<Arc<Controls>>) -> Response {
    let paths = paths();
    let paths = paths
        .iter()
        .map(|path| json!({"path": path.path, "methods": path.methods, "meaning": path.meaning}));
    controls.view(json!({"paths": paths.collect::<Vec<_>>()}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::CONTROL_PATHS;

    #[test]
    fn every_control_has_a_label() {
        let paths = paths().map(|path| path.path);
        assert_eq!(paths, CONTROL_PATHS);
    }
}
