//! Tells the edge which route was matched, from inside the router.
//!
//! Only the router knows the pattern, and only the code behind the match sees it. This layer is put
//! around every route once; each route's copy remembers the index of its pattern after the first
//! request, so that later ones look nothing up.
//!
//! It has its price: axum puts every layer of a route into a box, and its future into another, with
//! each request. So [`Routes`] has the router twice, with the layer and without, and takes the one
//! without for a path that is known to be its own pattern.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request as AxumRequest},
    routing::future::RouteFuture,
};
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::known::Known;
use crate::{
    context,
    metrics::{Registry, RouteId},
};

/// The service's router, which tells the edge the route of each request.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    plain: Router,
    telling: Router,
    known: Arc<Known>,
}

impl Routes {
    pub(crate) fn new(router: Router, registry: &Arc<Registry>) -> Self {
        let known = Arc::new(Known::new());
        let layer = RouteLayer {
            registry: Arc::clone(registry),
            known: Arc::clone(&known),
        };
        // Without a state a router makes its routes anew for each request; and made once, they are the
        // same in both, with whatever their layers share.
        let router = router.with_state(());
        Self {
            plain: router.clone(),
            // Last, so that it is around everything else.
            telling: router.layer(layer),
            known,
        }
    }
}

impl Service<AxumRequest> for Routes {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.known.find(request.uri().path()) {
            Some(route) => {
                context::with_current(|current| current.route = route);
                self.plain.call(request)
            }
            None => self.telling.call(request),
        }
    }
}

/// Makes [`Routed`] services. A router calls it once for each of its routes.
#[derive(Debug, Clone)]
struct RouteLayer {
    registry: Arc<Registry>,
    known: Arc<Known>,
}

impl<S> Layer<S> for RouteLayer {
    type Service = Routed<S>;

    fn layer(&self, inner: S) -> Routed<S> {
        Routed {
            inner,
            route: Arc::new(Route {
                index: OnceLock::new(),
                told: self.clone(),
            }),
        }
    }
}

/// One route, which knows its index.
#[derive(Debug, Clone)]
struct Routed<S> {
    inner: S,
    route: Arc<Route>,
}

#[derive(Debug)]
struct Route {
    index: OnceLock<RouteId>,
    told: RouteLayer,
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
            let index = *route.index.get_or_init(|| {
                let pattern = matched.as_str();
                let index = route.told.registry.http.route(pattern);
                if pattern == request.uri().path() {
                    route.told.known.learn(pattern, index);
                }
                index
            });
            context::with_current(|current| current.route = index);
        }
        self.inner.call(request)
    }
}
