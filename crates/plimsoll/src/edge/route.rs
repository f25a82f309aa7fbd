//! Reports the matched route to the edge, from a layer inside the router.
//!
//! Only the router knows the pattern, and only code inside the route can read it. So a layer is around
//! every route. Each route's copy stores the index of its pattern at the first request, and later
//! requests need no lookup.
//!
//! The layer also marks axum's own 404 and 405, which get the body of a
//! [`Problem`](super::problem::Problem). An equal response of the application must be kept, so both are
//! distinguished by [`super::route_matcher`].
//!
//! # Cost
//!
//! axum boxes each layer of a route, and its future, for every request. So [`Routes`] holds the router
//! twice, with the layer and without. A path that equals its pattern, such as `/info`, takes the one
//! without if the route has a handler for the method. This saves four allocations for each such request
//! (docs/performance.md).

use std::{
    borrow::Cow,
    cell::Cell,
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
use http::{Method, Request, Uri};
use tower_layer::Layer;
use tower_service::Service;

use super::route_matcher::{RouteChoice, RouteMatcher};
use crate::{
    metrics::{LiteralRoutes, Registry, RouteId},
    request::{self, RequestContext},
};

/// The application's router, which reports the route of each request to the edge.
///
/// It is one pointer, because it is cloned for each request.
#[derive(Debug, Clone)]
pub(crate) struct Routes(Arc<Routers>);

#[derive(Debug, Clone)]
struct Routers {
    plain: Router,
    tagging: Router,
    tagger: RouteTagLayer,
    /// The routers inside the layers of the application, which get a request before the match.
    layered: Option<Router>,
}

impl Routes {
    pub(crate) fn new(router: Router, registry: &Arc<Registry>) -> Self {
        // Without a state, axum would convert the handlers into routes for each request
        // (docs/performance.md). Converted once, both routers share their routes and layers.
        let router = router.with_state(());
        let tagger = RouteTagLayer {
            registry: Arc::clone(registry),
            known: Arc::new(LiteralRoutes::new()),
            matcher: Arc::new(RouteMatcher::new(&router)),
        };
        Self(Arc::new(Routers {
            plain: router.clone(),
            // Added last, so that it is the outermost layer of each route.
            tagging: router.layer(tagger.clone()),
            tagger,
            layered: None,
        }))
    }

    /// Adds layers around all routes. `layer` gets a router with a fallback and no route.
    pub(crate) fn layered(self, layer: impl FnOnce(Router) -> Router) -> Self {
        let all = Router::new().fallback_service(self.clone());
        Self(Arc::new(Routers {
            layered: Some(layer(all).with_state(())),
            ..Routers::clone(&self.0)
        }))
    }

    /// Returns the routes for one connection.
    pub(super) fn local(&self) -> LocalRoutes {
        LocalRoutes {
            routes: self.clone(),
            plain: Cell::default(),
            tagging: Cell::default(),
            layered: Cell::default(),
        }
    }

    /// The route of a request that is shed. A layer that rewrites the path is not taken into account.
    pub(super) fn find(&self, method: &Method, uri: &Uri) -> RouteId {
        match self.0.tagger.known.find(method, uri.path()) {
            Some(route) => route,
            None => self.0.tagger.tag(method, uri).index,
        }
    }
}

/// The routes of one connection, with references of its own to the routers.
///
/// A call of a router needs exclusive access. A clone for each request would count a reference in a line
/// that all workers write, so the routers are taken out for a call.
pub(super) struct LocalRoutes {
    routes: Routes,
    plain: Cell<Option<Router>>,
    tagging: Cell<Option<Router>>,
    layered: Cell<Option<Router>>,
}

impl LocalRoutes {
    /// Calls the router. A request is always handled, also if a call within a call or a panic has
    /// left no router here.
    pub(super) fn call(&self, request: Request<Body>) -> RouteFuture<Infallible> {
        let routers = &*self.routes.0;
        let choice = routers.choose(&request);
        let (cell, shared) = match choice {
            RouterChoice::Plain => (&self.plain, &routers.plain),
            RouterChoice::Tagging => (&self.tagging, &routers.tagging),
            RouterChoice::Layered(shared) => (&self.layered, shared),
        };
        let mut router = cell.take().unwrap_or_else(|| shared.clone());
        let response = router.call(request);
        cell.set(Some(router));
        response
    }
}

/// The router that handles a request.
enum RouterChoice<'a> {
    Plain,
    Tagging,
    Layered(&'a Router),
}

impl Routers {
    /// Returns the router for a request. If the route is known, it is recorded.
    fn choose(&self, request: &Request<Body>) -> RouterChoice<'_> {
        if let Some(layered) = &self.layered {
            return RouterChoice::Layered(layered);
        }
        let known = &self.tagger.known;
        match known.find(request.method(), request.uri().path()) {
            Some(route) => {
                // A layer may have received a default answer before this call.
                set_route(&self.tagger.registry, route, |current| {
                    current.is_default_answer = false;
                });
                RouterChoice::Plain
            }
            None => RouterChoice::Tagging,
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
        let routers = &*self.0;
        let mut router = match routers.choose(&request) {
            RouterChoice::Plain => routers.plain.clone(),
            RouterChoice::Tagging => routers.tagging.clone(),
            RouterChoice::Layered(layered) => layered.clone(),
        };
        router.call(request)
    }
}

/// Sets the route of the current request, and applies `change` to its context.
pub(super) fn set_route(
    registry: &Registry,
    route: RouteId,
    change: impl FnOnce(&mut RequestContext),
) {
    request::set_route(route, |current| {
        if let Some((table, entry)) = registry.in_flight_entry(current.entry) {
            table.set_route(entry, route);
        }
        change(current);
    });
}

/// Adds a [`RouteTag`] around a route. A router calls it once for each of its routes.
#[derive(Debug, Clone)]
struct RouteTagLayer {
    registry: Arc<Registry>,
    known: Arc<LiteralRoutes>,
    matcher: Arc<RouteMatcher>,
}

impl<S> Layer<S> for RouteTagLayer {
    type Service = RouteTag<S>;

    fn layer(&self, inner: S) -> RouteTag<S> {
        RouteTag {
            inner,
            route: Arc::new(TaggedRoute {
                tag: OnceLock::new(),
                tagger: self.clone(),
            }),
        }
    }
}

/// Sets the route of each request of one route or fallback.
#[derive(Debug, Clone)]
struct RouteTag<S> {
    inner: S,
    route: Arc<TaggedRoute>,
}

#[derive(Debug)]
struct TaggedRoute {
    tag: OnceLock<RouteInfo>,
    tagger: RouteTagLayer,
}

/// The data that all requests of a route share.
#[derive(Debug)]
struct RouteInfo {
    index: RouteId,
    choice: RouteChoice,
}

impl RouteTagLayer {
    /// Looks up a route with the matcher, at its first request.
    fn tag(&self, method: &Method, uri: &Uri) -> RouteInfo {
        let found = self.matcher.find(method, uri);
        let pattern = match (&found.pattern, found.choice) {
            (Some(pattern), _) => Some(Cow::Borrowed(pattern.as_str())),
            (None, RouteChoice::Route) => self.matcher.nest(method, uri.path()).map(Cow::Owned),
            (None, _) => None,
        };
        RouteInfo {
            index: pattern.map_or(0, |pattern| self.registry.http.route(&pattern)),
            choice: found.choice,
        }
    }
}

impl<S, B> Service<Request<B>> for RouteTag<S>
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
        let route = &self.route;
        let RouteInfo { index, choice } = *route
            .tag
            .get_or_init(|| route.tagger.tag(request.method(), request.uri()));
        if choice == RouteChoice::Route
            && let Some(matched) = request.extensions().get::<MatchedPath>()
            && matched.as_str() == request.uri().path()
        {
            let path = request.uri().path();
            route.tagger.known.insert(request.method(), path, index);
        }
        set_route(&route.tagger.registry, index, |current| {
            current.is_default_answer = matches!(
                choice,
                RouteChoice::NotFound | RouteChoice::MethodNotAllowed
            );
        });
        self.inner.call(request)
    }
}
