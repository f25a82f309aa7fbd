//! Route labels that the application sets in place of the pattern (contract MET-4).

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
    task::{Context, Poll},
};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::{route::set_route, state::EdgeState};
use crate::metrics::{Registry, RouteId};

/// Sets the route label of the requests that pass this layer.
///
/// The label is `path` in the metrics and in the access record, and `http.route` in the span. By
/// default it is the pattern of the route. A fallback has no label, and a nested service has the
/// pattern of its prefix.
///
/// ```
/// use axum::{Router, routing::any};
/// use tower::Layer as _;
///
/// let files = any(|| async { "a file" });
/// let router: Router = Router::new()
///     .fallback_service(plimsoll::RouteLabelLayer::new("/{*file}").layer(files));
/// ```
///
/// It applies inside a service or layer of plimsoll, and has no effect elsewhere. The innermost layer
/// wins. Around the whole router, by [`App::layer`](crate::App::layer), it has no effect: the router
/// sets the label of its route afterwards. A request that is shed, or that an outer layer answers, does
/// not reach this layer and has the label of its route.
#[derive(Clone)]
pub struct RouteLabelLayer(Arc<LabelSource>);

impl RouteLabelLayer {
    /// Sets `label` for every request.
    #[must_use]
    pub fn new(label: &'static str) -> Self {
        Self(Arc::new(LabelSource::Fixed {
            label,
            index: OnceLock::new(),
        }))
    }

    /// Sets the label that `choose` returns for the path of a request.
    ///
    /// For services with their own routing, such as gRPC, whose methods share one route. The path is
    /// the one that this layer receives: inside `nest` it lacks the prefix. A label is a `&'static str`,
    /// so the program bounds the number of labels, and no client can add one.
    ///
    /// ```
    /// let label = plimsoll::RouteLabelLayer::by_path(|path| match path {
    ///     "/shop.Orders/Get" => "/shop.Orders/Get",
    ///     "/shop.Orders/Watch" => "/shop.Orders/Watch",
    ///     _ => "/shop.Orders/{*rest}",
    /// });
    /// # let _: axum::Router = axum::Router::new().fallback(|| async {}).layer(label);
    /// ```
    #[must_use]
    pub fn by_path(choose: impl Fn(&str) -> &'static str + Send + Sync + 'static) -> Self {
        Self(Arc::new(LabelSource::ByPath(Box::new(choose))))
    }
}

enum LabelSource {
    Fixed {
        label: &'static str,
        /// The index of the label, and its registry: one layer may be used in several services.
        index: OnceLock<(Weak<Registry>, RouteId)>,
    },
    ByPath(Box<dyn Fn(&str) -> &'static str + Send + Sync>),
}

impl LabelSource {
    /// The index of the label for a request with this path, in this registry.
    fn index(&self, path: &str, registry: &Arc<Registry>) -> RouteId {
        match self {
            Self::Fixed { label, index } => {
                let find = || registry.http.route(label);
                let (owner, known) = index.get_or_init(|| (Arc::downgrade(registry), find()));
                // A weak pointer keeps its allocation, so no other registry has the same address.
                if Weak::as_ptr(owner) == Arc::as_ptr(registry) {
                    *known
                } else {
                    find()
                }
            }
            Self::ByPath(choose) => registry.http.route(choose(path)),
        }
    }
}

impl fmt::Debug for RouteLabelLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_tuple("RouteLabelLayer");
        if let LabelSource::Fixed { label, .. } = &*self.0 {
            out.field(label);
        }
        out.finish()
    }
}

impl<S> Layer<S> for RouteLabelLayer {
    type Service = RouteLabel<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RouteLabel {
            inner,
            label: self.clone(),
        }
    }
}

/// Sets the route label of a request before the inner service. Made by [`RouteLabelLayer`].
#[derive(Debug, Clone)]
pub struct RouteLabel<S> {
    inner: S,
    label: RouteLabelLayer,
}

impl<S, B> Service<Request<B>> for RouteLabel<S>
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
        // `by_path` calls code of the application, so the context must not be borrowed meanwhile.
        if let Some(state) = EdgeState::current() {
            let index = self.label.0.index(request.uri().path(), &state.registry);
            set_route(&state.registry, index, |_| ());
        }
        self.inner.call(request)
    }
}
