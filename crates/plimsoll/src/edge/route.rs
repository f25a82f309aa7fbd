//! Tells the edge which route was matched, from inside the router.
//!
//! Only the router knows the pattern, and only the code behind the match sees it. This layer is put
//! around every route once; each route's copy remembers the index of its pattern after the first
//! request, so that later ones look nothing up.

use std::{
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use axum::extract::MatchedPath;
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    context,
    metrics::{Registry, RouteId},
};

/// Makes [`Routed`] services. A router calls it once for each of its routes.
#[derive(Debug, Clone)]
pub(crate) struct RouteLayer {
    registry: Arc<Registry>,
}

impl RouteLayer {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry }
    }
}

impl<S> Layer<S> for RouteLayer {
    type Service = Routed<S>;

    fn layer(&self, inner: S) -> Routed<S> {
        let registry = Arc::clone(&self.registry);
        Routed {
            inner,
            route: Arc::new(Route {
                index: OnceLock::new(),
                registry,
            }),
        }
    }
}

/// One route, which knows its index.
#[derive(Debug, Clone)]
pub(crate) struct Routed<S> {
    inner: S,
    route: Arc<Route>,
}

#[derive(Debug)]
struct Route {
    index: OnceLock<RouteId>,
    registry: Arc<Registry>,
}

impl<S, B> Service<Request<B>> for Routed<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        // Without a pattern it is the fallback, or the inside of a nested service.
        if let Some(matched) = request.extensions().get::<MatchedPath>() {
            let route = &self.route;
            let index = *route
                .index
                .get_or_init(|| route.registry.http.route(matched.as_str()));
            context::with_current(|current| current.route = index);
        }
        self.inner.call(request)
    }
}
