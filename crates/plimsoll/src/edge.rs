//! Everything between the connection and the router, in one service and one future.
//!
//! ```text
//! Shared::admit  clock · request id · client address · refusals · probes · slot
//!   → Handler  the user's router, inside a deadline and a panic guard
//! ← head       request id, security headers, `Connection: close` when ending
//! ← Tracked    the last byte, or the drop, ends the request: one count, one record
//! ```
//!
//! One future keeps the order of things in one place, and the order matters: the id comes before
//! anything that can fail, and the accounting is around everything that answers, so that a refused
//! request is counted and logged like any other.
//!
//! # Invariants
//!
//! * Every request that comes in here ends in exactly one count and, unless it is a probe, one
//!   record: [`account::RequestGuard`] does both when it is dropped at the latest.
//! * What a handler answers is never rewritten. The chassis answers in the handler's place only
//!   when the handler was cancelled or has panicked.

pub(crate) mod access_log;
mod admission;
pub(crate) mod client_ip;
mod content;
mod extract;
mod handler;
pub(crate) mod id;
mod layer;
mod origin;
mod probes;
mod problem;
mod protocol_fault;
mod request_body;
pub(crate) mod request_guard;
mod response;
mod response_body;
mod route;
mod route_label;
mod route_limits;
mod route_matcher;
mod span;
mod stalled_responses;
mod strict;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ::http::Request;
use axum::{body::Body, extract::MatchedPath};
use bytes::Bytes;
use tokio::time::Instant;

#[cfg(all(feature = "client", feature = "otlp"))]
pub(crate) use self::access_log::MAX_METHOD;
use self::{
    access_log::AccessLog,
    admission::Admission,
    client_ip::{ClientIpResolver, ResolvedClient},
    probes::Endpoints,
    problem::Problem,
    request_body::RequestBody,
    request_guard::RequestGuard,
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
    id::HEADER as REQUEST_ID,
    probes::EndpointSet,
    route::Routes,
    route_matcher::RouteMatcher,
    stalled_responses::{STALL, StalledResponse, StalledResponses},
    strict::{MAX_HEAD, asks_for_websocket},
};
use crate::{
    config::Config,
    connection::ConnectionState,
    lifecycle::{Heartbeats, Lifecycle, stall_limit},
    metrics::Registry,
    otlp::Tracer,
    request::{self, BodyLimits, Peer, RequestContext, RequestSource, Scheme, TimeoutOverride},
    shutdown::ShutdownToken,
    telemetry::Log,
};

/// What a request has that came over a connection of the chassis's own.
struct ServerRequest<'a> {
    connection: Arc<ConnectionState>,
    /// The probes and metrics that are answered there.
    endpoints: &'a EndpointSet,
    /// What answers everything else.
    routes: &'a Routes,
}

/// What all requests of a service share.
#[derive(Debug)]
pub(crate) struct EdgeState {
    pub(crate) registry: Arc<Registry>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) log: Log,
    pub(crate) access: AccessLog,
    endpoints: Endpoints,
    client_ip: ClientIpResolver,
    admission: Arc<Admission>,
    pub(crate) shutdown: ShutdownToken,
    tracer: Tracer,
    pulse: Arc<Heartbeats>,
    /// How long all workers may be silent before the process counts as dead.
    stall_limit: Duration,
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
        pulse: Arc<Heartbeats>,
        shutdown: ShutdownToken,
        tracer: Tracer,
    ) -> Arc<Self> {
        Arc::new(Self {
            access: AccessLog::new(&config.build, &log, &config.redact_query),
            endpoints: Endpoints::new(&registry.http),
            registry,
            lifecycle,
            log,
            client_ip: ClientIpResolver::new(
                config.trusted_proxies.clone(),
                config.forwarded_header,
            ),
            admission: Admission::new(config.max_in_flight),
            shutdown,
            tracer,
            pulse,
            stall_limit: stall_limit(config.request_timeout),
            request_timeout: config.request_timeout,
            read_timeout: config.read_timeout,
            max_body_bytes: config.max_body_bytes.bytes(),
            debug: config.debug,
        })
    }

    /// Takes a request in: from here on it is accounted for.
    ///
    /// `ours` is there if it came over a connection of the chassis's own; then probes are answered
    /// and `Host` is checked, which is not a layer's business on a server of somebody else's.
    fn admit<S, B>(
        self: &Arc<Self>,
        mut request: Request<B>,
        peer: Peer,
        scheme: Scheme,
        ours: Option<ServerRequest<'_>>,
        call: impl FnOnce(Request<Body>) -> S,
    ) -> ResponseFuture<S>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let started = Instant::now();
        let assigned = id::assign(request.headers_mut());
        let ResolvedClient {
            client_ip,
            source: told,
        } = self.client_ip.resolve(peer, request.headers());
        let (connection, ours) = match ours {
            Some(ours) => (Some(ours.connection), Some((ours.endpoints, ours.routes))),
            None => (None, None),
        };
        let read = connection
            .as_ref()
            .map_or(0, |connection| connection.head_bytes());
        let mut account = RequestGuard::begin(
            Arc::clone(self),
            connection,
            started,
            assigned,
            client_ip,
            &request,
        );
        let way = RequestSource {
            scheme,
            forwarded: told,
        };
        account.trace = self.begin_trace(&request, way);

        let has_body = !request.body().is_end_stream();
        if let Some((endpoints, routes)) = ours {
            let has_fragment = account
                .connection
                .as_ref()
                .is_some_and(|connection| connection.http1().has_fragment());
            if let Err(fault) = strict::check(&request, read, has_fragment) {
                let refusal = account.reject(fault);
                return ResponseFuture::answered(account, Err(refusal));
            }
            if let Some(endpoint) = self.endpoints.find(request.uri().path(), endpoints) {
                account.mark_probe(endpoint.route);
                let answer = self.answer_probe(endpoint, &request);
                return ResponseFuture::answered(account, answer);
            }
            if account
                .connection
                .as_ref()
                .is_some_and(|connection| connection.is_reserve())
            {
                return self.shed(account, Some(routes));
            }
        }
        if self.lifecycle.is_ending() && asks_for_websocket(&request) {
            // It would be told to go as soon as it is there.
            return ResponseFuture::answered(account, Err(Problem::overloaded()));
        }
        // As a layer inside a router the edge comes after the match; our own server comes before.
        if ours.is_none()
            && let Some(matched) = request.extensions().get::<MatchedPath>()
        {
            account.route = self.registry.http.route(matched.as_str());
        }
        let Some(slot) = self.admission.acquire() else {
            return self.shed(account, ours.map(|(_, routes)| routes));
        };
        account.mark_in_flight(slot);

        let body = if !has_body {
            None
        } else {
            Some(BodyLimits::new(self.max_body_bytes, self.read_timeout))
        };
        let context = Box::new(RequestContext {
            service: Some(Arc::<Self>::clone(self)),
            request_id: account.request_id.clone(),
            client_ip,
            source: Some(way),
            route: account.route,
            is_default_answer: false,
            request_timeout: TimeoutOverride::Inherit,
            body: body.clone(),
            trace: account.trace.clone(),
        });
        let mut request = request.map(|inner| match body {
            Some(limits) => Body::new(RequestBody::new(inner, limits, Arc::clone(&self.admission))),
            None => Body::empty(),
        });
        if context.body.is_some() {
            // In the place of axum's default; a limit of the application's own, set further inside, wins.
            route_limits::extractor_limit(self.max_body_bytes).apply(&mut request);
        }
        ResponseFuture::handling(account, context, self.request_timeout, || call(request))
    }
}

impl EdgeState {
    /// Answers at once that there is too much to do.
    fn shed<F>(
        &self,
        mut account: Box<RequestGuard>,
        routes: Option<&Routes>,
    ) -> ResponseFuture<F> {
        if let Some(routes) = routes {
            account.route = routes.find(&account.method, &account.uri);
        }
        self.registry.shed.fetch_add(1, Ordering::Relaxed);
        ResponseFuture::answered(account, Err(Problem::overloaded()))
    }
}
