//! The state that all requests of a service share.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request};

use super::{
    access_log::AccessLog, admission::Admission, client_ip::ClientIpResolver, probes::Probes,
    request_body::RequestBody, request_id, route_limits, span::RequestSpans,
};
use crate::{
    config::Config,
    connection::ConnectionState,
    lifecycle::{Heartbeats, Lifecycle, stall_limit},
    metrics::{ProtocolError, Registry},
    otlp::Tracer,
    request::{self, BodyLimits, Peer},
    shutdown::ShutdownToken,
    telemetry::Log,
};

/// The state that all requests of a service share.
#[derive(Debug)]
pub(crate) struct EdgeState {
    pub(crate) registry: Arc<Registry>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) log: Log,
    pub(crate) access_log: AccessLog,
    pub(super) probes: Probes,
    pub(super) client_ip: ClientIpResolver,
    pub(super) admission: Arc<Admission>,
    pub(crate) shutdown: ShutdownToken,
    pub(super) spans: RequestSpans,
    pub(super) request_timeout: Option<Duration>,
    read_timeout: Duration,
    max_body_bytes: u64,
    pub(super) debug: bool,
}

/// What the requests of a connection share.
#[derive(Debug)]
pub(crate) struct EdgeConnection {
    pub(crate) state: Arc<EdgeState>,
    /// `None` behind an [`EdgeLayer`](super::EdgeLayer), whose server is not the chassis's own.
    pub(super) connection: Option<Arc<ConnectionState>>,
}

impl EdgeConnection {
    /// What requests of another server share.
    pub(crate) fn without_connection(state: Arc<EdgeState>) -> Arc<Self> {
        Arc::new(Self {
            state,
            connection: None,
        })
    }
}

impl EdgeState {
    /// The state of the service whose handler runs on this thread.
    pub(super) fn current() -> Option<Arc<Self>> {
        let service = request::with_current(|current| current.service.clone()).flatten()?;
        let shared: Arc<EdgeConnection> = service.downcast().ok()?;
        Some(Arc::clone(&shared.state))
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
        let admission = Admission::new(config.max_in_flight, registry.http.owners());
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

    /// The limits of a request body; `None` if there is no body.
    pub(super) fn body_limits(&self, body: &impl http_body::Body) -> Option<Arc<BodyLimits>> {
        (!body.is_end_stream()).then(|| BodyLimits::new(self.max_body_bytes, self.read_timeout))
    }

    /// Puts the limits on the body of a request.
    pub(super) fn limit_body<B>(
        &self,
        request: Request<B>,
        limits: Option<Arc<BodyLimits>>,
    ) -> Request<Body>
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
    pub(super) fn record_fault(&self, fault: ProtocolError, peer: Peer, took: Duration) {
        self.registry.protocol_errors.count(fault);
        let Some(status) = fault.status() else { return };
        // No method was parsed, so the request counts among those with an unknown method.
        let method = Method::from_bytes(b"-").unwrap_or_default();
        self.registry.http.observe(0, &method, status, took);
        let id = request_id::generate();
        self.access_log.write_fault(fault, status, &id, peer, took);
    }
}
