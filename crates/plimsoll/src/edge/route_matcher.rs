//! Finds the route or fallback that a router chooses for a request, without running its code.
//!
//! axum lists neither its routes nor its fallbacks. So a copy of the router has a layer around each of
//! them that replies in its place, and the reply identifies the choice. A reply needs no runtime and
//! takes about a microsecond. It is used once for each route, and for requests that are shed.

use std::{
    convert::Infallible,
    future::{Future as _, Ready, ready},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts as _, MatchedPath, RawPathParams, Request},
    response::Response,
};
use http::{Method, Uri, request::Parts};
use tower_layer::Layer;
use tower_service::Service;

/// The kind of service that a router chooses for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteChoice {
    /// A handler or a service of the application.
    Route,
    /// A fallback of the application.
    Fallback,
    /// The 404 that axum makes if there is no fallback.
    NotFound,
    /// The 405 that axum makes if a path has no handler for a method.
    MethodNotAllowed,
}

/// The choice of a router, and the pattern that matched the path.
#[derive(Debug, Clone)]
pub(crate) struct RouteMatch {
    pub(crate) choice: RouteChoice,
    /// `None` for fallbacks and inside `nest_service`.
    pub(crate) pattern: Option<MatchedPath>,
    /// The number of the service, unique within a [`MarkerReply`] layer.
    place: usize,
    /// The names of the path parameters.
    params: Vec<Box<str>>,
}

impl RouteMatch {
    const FALLBACK: Self = Self {
        choice: RouteChoice::Fallback,
        pattern: None,
        place: 0,
        params: Vec::new(),
    };
}

/// A path segment that no route has.
const NO_SEGMENT: &str = "no-such-route";

/// A copy of a router in which every route and fallback is replaced by a [`MarkerReply`].
#[derive(Debug, Clone)]
pub(crate) struct RouteMatcher {
    router: Router,
    /// Whether the router has a fallback at its top level.
    has_fallback: bool,
}

impl RouteMatcher {
    pub(crate) fn new(router: &Router) -> Self {
        let replaced = router
            .clone()
            .layer(MarkerReply::new(RouteChoice::Fallback));
        let mut routes = replaced.clone();
        if routes.has_routes() {
            // Routes only; `layer` above covers fallbacks as well.
            routes = routes.route_layer(MarkerReply::new(RouteChoice::Route));
        }
        let mut matcher = Self {
            // Fallbacks of nested routers and of single routes are not replaced here.
            router: routes
                .method_not_allowed_fallback(
                    MarkerReply::new(RouteChoice::MethodNotAllowed).handler(),
                )
                .fallback(MarkerReply::new(RouteChoice::NotFound).handler()),
            has_fallback: false,
        };
        matcher.has_fallback = matcher.finds_fallback(replaced);
        matcher
    }

    /// Whether `router`, a copy with marker replies, has a fallback at its top level.
    fn finds_fallback(&self, router: Router) -> bool {
        // A nested router without a fallback inherits that of the outer router.
        let nested = Self {
            router: Router::new()
                .without_v07_checks()
                .nest("/nested", router)
                .fallback(MarkerReply::new(RouteChoice::NotFound).handler()),
            has_fallback: false,
        };
        // If routes match all of these paths, hardly any request reaches a fallback.
        let unmatched = (1..8)
            .map(|depth| format!("/{}", format!("{NO_SEGMENT}/").repeat(depth)))
            .find(|path| self.find_path(&Method::GET, path).choice == RouteChoice::NotFound);
        unmatched.is_some_and(|path| {
            let found = nested.find_path(&Method::GET, &format!("/nested{path}"));
            found.choice != RouteChoice::NotFound
        })
    }

    /// The choice of the router for this method and target.
    pub(crate) fn find(&self, method: &Method, uri: &Uri) -> RouteMatch {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        let mut router = self.router.clone();
        let reply = pin!(router.call(request)).poll(&mut Context::from_waker(Waker::noop()));
        let found = match reply {
            Poll::Ready(Ok(reply)) => reply.extensions().get::<RouteMatch>().cloned(),
            // Not reached: every reply is ready at once.
            Poll::Pending => None,
        };
        match found {
            Some(found) if !(found.choice == RouteChoice::NotFound && self.has_fallback) => found,
            _ => RouteMatch::FALLBACK,
        }
    }

    /// The pattern of the nested service that a path reaches: its prefix and a wildcard.
    pub(crate) fn nest(&self, method: &Method, path: &str) -> Option<String> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let inside = |prefix: &[&str]| {
            let path = format!("/{}/{NO_SEGMENT}", prefix.join("/"));
            let found = self.find_path(method, &path);
            (found.choice == RouteChoice::Route && found.pattern.is_none()).then_some(found)
        };
        let service = inside(&segments)?;
        let is_inside =
            |prefix: &[&str]| inside(prefix).is_some_and(|it| it.place == service.place);
        let length = (1..=segments.len()).find(|length| is_inside(&segments[..*length]))?;
        let mut params = service.params.iter();
        let mut pattern = String::new();
        for index in 0..length {
            let mut other = segments[..length].to_vec();
            other[index] = NO_SEGMENT;
            pattern.push('/');
            // A segment is a parameter if any other segment reaches the same service.
            match is_inside(&other).then(|| params.next()).flatten() {
                Some(name) => pattern.extend(["{", name, "}"]),
                None => pattern.push_str(segments[index]),
            }
        }
        pattern.push_str("/{*rest}");
        Some(pattern)
    }

    /// Like [`RouteMatcher::find`], for a path.
    pub(crate) fn find_path(&self, method: &Method, path: &str) -> RouteMatch {
        self.find(method, &path.parse().unwrap_or_default())
    }
}

/// Replies in place of the service that it is layered around.
#[derive(Debug, Clone)]
struct MarkerReply {
    choice: RouteChoice,
    place: usize,
    /// The number of places that are in use.
    places: Arc<AtomicUsize>,
}

impl MarkerReply {
    fn new(choice: RouteChoice) -> Self {
        Self {
            choice,
            place: 0,
            places: Arc::default(),
        }
    }

    fn to(&self, request: Request) -> Response {
        let mut head = request.into_parts().0;
        let found = RouteMatch {
            choice: self.choice,
            pattern: head.extensions.get().cloned(),
            place: self.place,
            params: params(&mut head),
        };
        let mut reply = Response::new(Body::empty());
        reply.extensions_mut().insert(found);
        reply
    }

    fn handler(self) -> impl Fn(Request) -> Ready<Response> + Clone + Send + Sync + 'static {
        move |request| ready(self.to(request))
    }
}

/// The names of the path parameters of a request. A fallback has none, and neither has a path that is
/// not UTF-8.
fn params(head: &mut Parts) -> Vec<Box<str>> {
    let params = pin!(RawPathParams::from_request_parts(head, &()));
    match params.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(params)) => params.iter().map(|(name, _)| name.into()).collect(),
        _ => Vec::new(),
    }
}

impl<S> Layer<S> for MarkerReply {
    type Service = Self;

    fn layer(&self, _: S) -> Self {
        Self {
            place: self.places.fetch_add(1, Ordering::Relaxed),
            ..self.clone()
        }
    }
}

impl Service<Request> for MarkerReply {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        ready(Ok(self.to(request)))
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        http::StatusCode,
        routing::{any, get},
    };

    use super::*;

    async fn run() -> StatusCode {
        panic!("no code of the service may run")
    }

    #[track_caller]
    fn check(
        router: &Router,
        method: Method,
        path: &str,
        choice: RouteChoice,
        pattern: Option<&str>,
    ) {
        let found = RouteMatcher::new(router).find_path(&method, path);
        let matched = found.pattern.as_ref().map(MatchedPath::as_str);
        assert_eq!(
            (found.choice, matched),
            (choice, pattern),
            "{method} {path}"
        );
    }

    #[test]
    fn matcher_finds_routes_and_default_answers() {
        let api = Router::new().route("/items/{id}", get(run).post(run));
        let router = Router::new()
            .route("/", get(run))
            .nest("/api", api)
            .nest_service("/files", any(run))
            .route("/any", any(run))
            .route("/own", get(run).fallback(run));
        let items = Some("/api/items/{id}");
        check(&router, Method::GET, "/", RouteChoice::Route, Some("/"));
        check(&router, Method::HEAD, "/", RouteChoice::Route, Some("/"));
        check(
            &router,
            Method::POST,
            "/api/items/7",
            RouteChoice::Route,
            items,
        );
        check(
            &router,
            Method::PUT,
            "/api/items/7",
            RouteChoice::MethodNotAllowed,
            items,
        );
        check(
            &router,
            Method::PUT,
            "/any",
            RouteChoice::Route,
            Some("/any"),
        );
        check(
            &router,
            Method::PUT,
            "/own",
            RouteChoice::Route,
            Some("/own"),
        );
        check(&router, Method::PUT, "/files/a/b", RouteChoice::Route, None);
        check(
            &router,
            Method::GET,
            "/api/nothing",
            RouteChoice::NotFound,
            None,
        );
        check(&router, Method::OPTIONS, "*", RouteChoice::NotFound, None);
    }

    #[test]
    fn matcher_distinguishes_fallbacks_from_default_answers() {
        let api = Router::new().route("/x", get(run)).fallback(run);
        let router = Router::new().route("/{a}", get(run)).nest("/api", api);
        check(&router, Method::GET, "/api/y", RouteChoice::Fallback, None);
        check(&router, Method::GET, "/a/b", RouteChoice::NotFound, None);
        let own = router.fallback(run);
        check(&own, Method::GET, "/a/b", RouteChoice::Fallback, None);
        check(&own, Method::GET, "/api/y", RouteChoice::Fallback, None);
        check(
            &Router::new(),
            Method::GET,
            "/",
            RouteChoice::NotFound,
            None,
        );
        let own = Router::new().fallback_service(any(run));
        check(&own, Method::GET, "/", RouteChoice::Fallback, None);
    }

    #[test]
    fn matcher_finds_patterns_of_nested_services() {
        let inner = Router::new().nest_service("/files", any(run));
        let router = Router::new()
            .nest_service("/a", any(run))
            .nest_service("/a/b", any(run))
            .nest("/api/{version}", inner)
            .nest_service("/{tenant}/x/{item}", any(run))
            .route("/a/own", get(run));
        let matcher = RouteMatcher::new(&router);
        for (path, pattern) in [
            ("/a", Some("/a/{*rest}")),
            ("/a/", Some("/a/{*rest}")),
            ("/a/c/d", Some("/a/{*rest}")),
            ("/a/b", Some("/a/b/{*rest}")),
            ("/a/b/c", Some("/a/b/{*rest}")),
            ("/api/v1/files/x", Some("/api/{version}/files/{*rest}")),
            ("/me/x/7/y/z", Some("/{tenant}/x/{item}/{*rest}")),
            ("/nothing", None),
        ] {
            let found = matcher.nest(&Method::GET, path);
            assert_eq!(found.as_deref(), pattern, "{path}");
        }
    }

    #[test]
    fn matcher_accepts_every_path_of_a_router() {
        let router = Router::new()
            .without_v07_checks()
            .route("/:colon", get(run))
            .route("/*star", get(run))
            .route("/{*rest}", get(run));
        check(
            &router,
            Method::GET,
            "/:colon",
            RouteChoice::Route,
            Some("/:colon"),
        );
        check(
            &router,
            Method::GET,
            "/a",
            RouteChoice::Route,
            Some("/{*rest}"),
        );
    }
}
