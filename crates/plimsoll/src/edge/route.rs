//! Tells the edge which route was matched, from inside the router.
//!
//! Only the router knows the pattern, and only the code behind the match sees it. This layer is put
//! around every route once; each route's copy remembers the index of its pattern after the first
//! request, so that later ones look nothing up.
//!
//! It also marks axum's own 404 and 405, which the edge turns into problems: a bare answer of the
//! service's own code looks the same and must stay ([`super::matcher`]).
//!
//! It has its price: axum puts every layer of a route into a box, and its future into another, with
//! each request. So [`Routes`] has the router twice, with the layer and without, and takes the one
//! without for a path that is known to be its own pattern, with a method that it has a handler for.

use std::{
    borrow::Cow,
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
    request,
};

/// The service's router, which tells the edge the route of each request.
///
/// It is cloned for each request, so it is one pointer.
#[derive(Debug, Clone)]
pub(crate) struct Routes(Arc<Routers>);

#[derive(Debug, Clone)]
struct Routers {
    plain: Router,
    tagging: Router,
    tagger: RouteTagLayer,
    /// The same with layers around them, which see a request before its route is looked for.
    layered: Option<Router>,
}

impl Routes {
    pub(crate) fn new(router: Router, registry: &Arc<Registry>) -> Self {
        // Without a state a router makes its routes anew for each request; and made once, they are the
        // same in both, with whatever their layers share.
        let router = router.with_state(());
        let tagger = RouteTagLayer {
            registry: Arc::clone(registry),
            known: Arc::new(LiteralRoutes::new()),
            matcher: Arc::new(RouteMatcher::new(&router)),
        };
        Self(Arc::new(Routers {
            plain: router.clone(),
            // Last, so that it is around everything else.
            tagging: router.layer(tagger.clone()),
            tagger,
            layered: None,
        }))
    }

    /// Puts layers around all of it. `layer` gets a router that has a fallback and no route.
    pub(crate) fn layered(self, layer: impl FnOnce(Router) -> Router) -> Self {
        let all = Router::new().fallback_service(self.clone());
        Self(Arc::new(Routers {
            layered: Some(layer(all).with_state(())),
            ..Routers::clone(&self.0)
        }))
    }

    /// The route of a request that is not handled; what a layer makes of its path is not seen.
    pub(super) fn find(&self, method: &Method, uri: &Uri) -> RouteId {
        match self.0.tagger.known.find(method, uri.path()) {
            Some(route) => route,
            None => self.0.tagger.tag(method, uri).index,
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
        let mut router = match &routers.layered {
            Some(layered) => layered.clone(),
            None => match routers
                .tagger
                .known
                .find(request.method(), request.uri().path())
            {
                Some(route) => {
                    // A layer may have received a default answer before this call.
                    request::set_route(route, |current| current.is_default_answer = false);
                    routers.plain.clone()
                }
                None => routers.tagging.clone(),
            },
        };
        router.call(request)
    }
}

/// Makes [`RouteTag`] services. A router calls it once for each of its routes.
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

/// One route or fallback, which knows what it is.
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

/// What is the same for all requests of a route.
#[derive(Debug)]
struct RouteInfo {
    index: RouteId,
    choice: RouteChoice,
}

impl RouteTagLayer {
    /// Asks the matcher, with the first request of a route.
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
            route.tagger.known.learn(request.method(), path, index);
        }
        request::set_route(index, |current| {
            current.is_default_answer = matches!(
                choice,
                RouteChoice::NotFound | RouteChoice::MethodNotAllowed
            );
        });
        self.inner.call(request)
    }
}
