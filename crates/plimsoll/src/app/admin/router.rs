//! The router of the operator controls: the paths below `/admin`, and the check of each client.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get, post, put},
};
use http::{HeaderValue, header};
use serde_json::json;

use super::{
    bundle, config_view, connections_view,
    controls::Controls,
    errors_view, levels, requests_view, routes_view, runtime_view,
    view::View,
    views::{self, Shared},
};
use crate::edge::control_label;

/// A path of the controls, for the index.
pub(super) struct ControlPath {
    pub(super) path: &'static str,
    methods: &'static str,
    meaning: &'static str,
    /// The content of GET, for a path with a view.
    pub(super) view: Option<View>,
    /// The methods, except the GET of a view.
    route: fn() -> ControlRoute,
}

type ControlRoute = MethodRouter<Arc<Controls>>;

/// Returns the paths below `/admin`.
pub(super) fn paths() -> [ControlPath; 16] {
    [
        ControlPath {
            path: "/admin",
            methods: "GET",
            meaning: "this index",
            view: None,
            route: || get(index),
        },
        ControlPath {
            path: "/admin/bundle",
            methods: "GET",
            meaning: "all views and the metrics, in one document",
            view: None,
            route: || get(bundle::show),
        },
        ControlPath {
            path: "/admin/changes",
            methods: "GET",
            meaning: "changes in force, and the last 64 past ones",
            view: Some(View::light(views::changes)),
            route: MethodRouter::new,
        },
        ControlPath {
            path: "/admin/checks",
            methods: "GET",
            meaning: "health checks, their results and last changes",
            view: Some(View::light(views::checks)),
            route: MethodRouter::new,
        },
        ControlPath {
            path: "/admin/checks/{name}",
            methods: "PUT policy=observe, DELETE",
            meaning: "removes the hold of a check on readiness, for 1h by default",
            view: None,
            route: || put(views::lift_check).delete(views::restore_check),
        },
        ControlPath {
            path: "/admin/config",
            methods: "GET",
            meaning: "settings in force, with their origins",
            view: Some(View::light(config_view::view)),
            route: MethodRouter::new,
        },
        ControlPath {
            path: "/admin/connections",
            methods: "GET",
            meaning: "open connections by what they wait for, and the 100 oldest",
            view: Some(View::heavy(connections_view::view)),
            route: MethodRouter::new,
        },
        ControlPath {
            path: "/admin/drain",
            methods: "POST",
            meaning: "begins a graceful shutdown, as SIGTERM does",
            view: None,
            route: || post(views::drain),
        },
        ControlPath {
            path: "/admin/errors",
            methods: "GET",
            meaning: "the last ERROR records and panics, in 64 groups",
            view: Some(View::light(errors_view::view)),
            route: MethodRouter::new,
        },
        ControlPath {
            path: "/admin/loglevel",
            methods: "GET, PUT level=…, DELETE",
            meaning: "levels in the format of LOG_LEVEL, for 10m by default",
            view: Some(View::light(levels::show)),
            route: || put(levels::set).delete(levels::reset),
        },
        ControlPath {
            path: "/admin/loglevel/request",
            methods: "GET, PUT id=… level=…, DELETE",
            meaning: "levels of the requests with an id, for 10m by default",
            view: Some(View::light(levels::show_requests)),
            route: || put(levels::set_request).delete(levels::reset_requests),
        },
        ControlPath {
            path: "/admin/readiness",
            methods: "GET, PUT ready=false, DELETE",
            meaning: "takes the instance out of rotation, for 30m by default",
            view: Some(View::light(views::readiness)),
            route: || put(views::hold_readiness).delete(views::release_readiness),
        },
        ControlPath {
            path: "/admin/requests",
            methods: "GET",
            meaning: "requests in flight, the oldest first",
            view: Some(View::heavy(requests_view::view)),
            route: MethodRouter::new,
        },
        ControlPath {
            path: "/admin/routes",
            methods: "GET",
            meaning: "requests and latencies of each route, the most requested first",
            view: Some(View::heavy(routes_view::view)),
            route: MethodRouter::new,
        },
        ControlPath {
            path: "/admin/runtime",
            methods: "GET",
            meaning: "workers, threads, memory, control group and open files",
            view: Some(View::heavy(runtime_view::view)),
            route: MethodRouter::new,
        },
        ControlPath {
            path: "/admin/startup",
            methods: "GET",
            meaning: "times of the start: phases, connections, first success of checks",
            view: Some(View::light(views::startup)),
            route: MethodRouter::new,
        },
    ]
}

/// Returns the routes of the controls.
pub(super) fn router(controls: Arc<Controls>) -> Router {
    let routes = paths().into_iter().fold(Router::new(), |router, path| {
        let route = (path.route)();
        let route = match path.view {
            Some(view) => route.get(move |State(controls): Shared| view.answer(controls)),
            None => route,
        };
        router.route(path.path, route)
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
        // A path that is no control gets the 404 of the router.
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
