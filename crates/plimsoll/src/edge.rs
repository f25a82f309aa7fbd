//! The edge: everything between a connection and the router, in one service and one future.
//!
//! ```text
//! EdgeState::admit     clock · request id · client address · guard · head checks · probes · slot
//!   → Handler          the application's router, inside a deadline and a panic guard
//! ← ResponseFuture     request id, security headers, `Connection: close` during a drain
//! ← ResponseBody       the last byte, or the drop, ends the request: one count, one record
//! ```
//!
//! One future keeps the steps in order, and the order matters. The id is assigned before any step
//! that can fail. The guard begins before any step that can answer, so a rejected request is counted
//! and logged like any other.
//!
//! # Invariants
//!
//! * Every admitted request ends in exactly one count and, unless it is a probe, in one record.
//!   [`RequestGuard`] writes both, at the latest when it is dropped.
//! * The response of a handler is never rewritten. The edge answers in its place only if the handler
//!   was cancelled or has panicked.

pub(crate) mod access_log;
mod admission;
pub(crate) mod client_ip;
mod content;
mod extract;
mod handler;
mod layer;
mod origin;
mod probes;
mod problem;
mod protocol_fault;
mod request_body;
pub(crate) mod request_guard;
pub(crate) mod request_id;
mod response;
mod response_body;
mod route;
mod route_label;
mod route_limits;
mod route_matcher;
#[cfg_attr(not(feature = "otlp"), path = "edge/span/disabled.rs")]
mod span;
mod stalled_responses;
mod strict;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ::http::{Method, Request};
use axum::{body::Body, extract::MatchedPath};
use bytes::Bytes;
use tokio::time::Instant;

use self::{
    access_log::AccessLog,
    admission::Admission,
    client_ip::{ClientIpResolver, ResolvedClient},
    probes::Probes,
    problem::Problem,
    request_body::RequestBody,
    request_guard::RequestGuard,
    span::RequestSpans,
};
pub use self::{
    extract::{ClientIp, OutsideRequest},
    layer::{Edge, EdgeLayer},
    origin::{OriginRejection, RequestOrigin},
    probes::ProbeAlias,
    response::ResponseFuture,
    response_body::ResponseBody,
    route_label::{RouteLabel, RouteLabelLayer},
    route_limits::{RouteLimits, RouteLimitsLayer},
};
pub(crate) use self::{
    probes::EndpointSet,
    protocol_fault::classify_head_error,
    request_id::HEADER as REQUEST_ID,
    route::Routes,
    route_matcher::RouteMatcher,
    stalled_responses::{STALL, StalledResponse, StalledResponses},
    strict::{MAX_HEAD, asks_for_websocket},
};
use crate::{
    config::Config,
    connection::ConnectionState,
    lifecycle::{Heartbeats, Lifecycle, stall_limit},
    metrics::{ProtocolError, Registry},
    otlp::Tracer,
    request::{self, BodyLimits, Peer, RequestContext, RequestSource, Scheme, TimeoutOverride},
    shutdown::ShutdownToken,
    telemetry::Log,
};

/// What the chassis's own server passes with a request. A request behind an [`EdgeLayer`] has none.
struct ServerRequest<'a> {
    connection: Arc<ConnectionState>,
    paths: ServerPaths<'a>,
}

/// The paths that a listener of the chassis's own server answers.
#[derive(Clone, Copy)]
struct ServerPaths<'a> {
    /// The probes and metrics of the listener.
    endpoints: &'a EndpointSet,
    /// The application's routes, which answer all other paths.
    routes: &'a Routes,
}

/// The state that all requests of a service share.
#[derive(Debug)]
pub(crate) struct EdgeState {
    pub(crate) registry: Arc<Registry>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) log: Log,
    pub(crate) access_log: AccessLog,
    probes: Probes,
    client_ip: ClientIpResolver,
    admission: Arc<Admission>,
    pub(crate) shutdown: ShutdownToken,
    spans: RequestSpans,
    request_timeout: Option<Duration>,
    read_timeout: Duration,
    max_body_bytes: u64,
    debug: bool,
}

impl EdgeState {
    /// The state of the service whose handler runs on this thread.
    fn current() -> Option<Arc<Self>> {
        let service = request::with_current(|current| current.service.clone()).flatten()?;
        service.downcast().ok()
    }

    pub(crate) fn new(
        config: &Config,
        registry: Arc<Registry>,
        lifecycle: Arc<Lifecycle>,
        log: Log,
        heartbeats: Arc<Heartbeats>,
        shutdown: ShutdownToken,
        tracer: Tracer,
    ) -> Arc<Self> {
        let admission = Admission::new(config.max_in_flight);
        Arc::new(Self {
            access_log: AccessLog::new(config, log.clone(), Arc::clone(&registry)),
            probes: Probes::new(
                Arc::clone(&registry),
                Arc::clone(&lifecycle),
                log.clone(),
                heartbeats,
                stall_limit(config.request_timeout),
                Arc::clone(&admission),
                tracer.clone(),
            ),
            spans: RequestSpans::new(tracer, Arc::clone(&registry)),
            registry,
            lifecycle,
            log,
            client_ip: ClientIpResolver::new(
                config.trusted_proxies.clone(),
                config.forwarded_header,
            ),
            admission,
            shutdown,
            request_timeout: config.request_timeout,
            read_timeout: config.read_timeout,
            max_body_bytes: config.max_body_bytes.bytes(),
            debug: config.debug,
        })
    }

    /// Admits or rejects a request. From the guard on, the request is counted and logged.
    ///
    /// `server` is present if the request came over a connection of the chassis's own server. Only
    /// then does the edge check the head and answer probes; behind an [`EdgeLayer`] the other server
    /// does.
    fn admit<S, B>(
        self: &Arc<Self>,
        mut request: Request<B>,
        peer: Peer,
        scheme: Scheme,
        server: Option<ServerRequest<'_>>,
        call: impl FnOnce(Request<Body>) -> S,
    ) -> ResponseFuture<S>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let started = Instant::now();
        let assigned = request_id::assign(request.headers_mut());
        let ResolvedClient {
            client_ip,
            source: forwarded,
        } = self.client_ip.resolve(peer, request.headers());
        let source = RequestSource { scheme, forwarded };

        let (connection, paths) = server.map(|it| (it.connection, it.paths)).unzip();
        // Read before the guard begins, which resets the count.
        let head_bytes = connection.as_ref().map_or(0, |it| it.head_bytes());
        let mut guard = RequestGuard::begin(
            Arc::clone(self),
            connection,
            started,
            assigned,
            client_ip,
            &request,
        );
        guard.trace = self.spans.begin(&request, source);

        if let Some(ServerPaths { endpoints, routes }) = paths {
            if let Err(problem) = guard.check_head(&request, head_bytes) {
                return ResponseFuture::answered(guard, Err(problem));
            }
            if let Some(probe) = self.probes.find(request.uri().path(), endpoints) {
                guard.mark_probe(probe.route);
                let answer = self.probes.answer(probe, &request);
                return ResponseFuture::answered(guard, answer);
            }
            if guard.is_on_reserve() {
                return self.shed(guard, Some(routes));
            }
        }
        if self.lifecycle.is_ending() && asks_for_websocket(&request) {
            // The drain would close the WebSocket at once.
            return ResponseFuture::answered(guard, Err(Problem::overloaded()));
        }
        // A layer runs after the match of the router around it; the chassis's server runs before.
        if paths.is_none()
            && let Some(matched) = request.extensions().get::<MatchedPath>()
        {
            guard.route = self.registry.http.route(matched.as_str());
        }
        let Some(slot) = self.admission.acquire() else {
            return self.shed(guard, paths.map(|paths| paths.routes));
        };
        guard.mark_in_flight(slot);

        let limits = self.body_limits(request.body());
        let context = self.context(&guard, source, limits.clone());
        let request = self.limit_body(request, limits);
        ResponseFuture::handling(guard, context, self.request_timeout, || call(request))
    }

    /// Rejects a request with 503 because the service is overloaded, and counts it as shed.
    fn shed<F>(&self, mut guard: Box<RequestGuard>, routes: Option<&Routes>) -> ResponseFuture<F> {
        if let Some(routes) = routes {
            guard.route = routes.find(&guard.method, &guard.uri);
        }
        self.registry.shed.fetch_add(1, Ordering::Relaxed);
        ResponseFuture::answered(guard, Err(Problem::overloaded()))
    }

    /// The limits of a request body; `None` if there is no body.
    fn body_limits(&self, body: &impl http_body::Body) -> Option<Arc<BodyLimits>> {
        (!body.is_end_stream()).then(|| BodyLimits::new(self.max_body_bytes, self.read_timeout))
    }

    /// The context in which the handler runs.
    #[inline]
    fn context(
        self: &Arc<Self>,
        guard: &RequestGuard,
        source: RequestSource,
        body: Option<Arc<BodyLimits>>,
    ) -> Box<RequestContext> {
        Box::new(RequestContext {
            service: Some(Arc::<Self>::clone(self)),
            request_id: guard.request_id.clone(),
            client_ip: guard.client_ip,
            source: Some(source),
            route: guard.route,
            is_default_answer: false,
            request_timeout: TimeoutOverride::Inherit,
            body,
            trace: guard.trace.clone(),
        })
    }

    /// Puts the limits on the body of a request.
    fn limit_body<B>(&self, request: Request<B>, limits: Option<Arc<BodyLimits>>) -> Request<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let Some(limits) = limits else {
            return request.map(|_| Body::empty());
        };
        let admission = Arc::clone(&self.admission);
        let mut request = request.map(|body| Body::new(RequestBody::new(body, limits, admission)));
        // Replaces axum's default. A limit that the application sets further inside wins.
        route_limits::extractor_limit(self.max_body_bytes).apply(&mut request);
        request
    }

    /// Counts a head that never became a request. If hyper has answered it, it is also logged as
    /// an access record (contract LOG-13).
    fn record_fault(&self, fault: ProtocolError, peer: Peer, took: Duration) {
        self.registry.protocol_errors.count(fault);
        let Some(status) = fault.status() else { return };
        // No method was parsed, so the request counts among those with an unknown method.
        let method = Method::from_bytes(b"-").unwrap_or_default();
        self.registry.http.observe(0, &method, status, took);
        let id = request_id::generate();
        self.access_log.write_fault(fault, status, &id, peer, took);
    }
}
