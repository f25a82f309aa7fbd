//! The account of one request: it is closed exactly once, whatever happens to the request.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use tokio::time::Instant;

use super::{
    EdgeState, admission::RequestSlot, id::AssignedId, problem::Problem, request_body::SizeLimit,
};
use crate::{
    connection::ConnectionState,
    metrics::{ProtocolError, RouteId},
    request::RequestId,
    trace::RequestTrace,
};

/// The status of a request that ended before anything was sent (contract LOG-9).
const CLIENT_CLOSED: u16 = 499;

/// What is known of a request, until it ends.
///
/// Dropping it ends the request as aborted: that is what happens when the client goes away, or when
/// the process runs out of patience.
#[derive(Debug)]
pub(crate) struct RequestGuard {
    pub(crate) shared: Arc<EdgeState>,
    pub(super) connection: Option<Arc<ConnectionState>>,
    started: Instant,
    pub(crate) request_id: RequestId,
    pub(super) id_replaced: bool,
    pub(super) client_ip: Option<IpAddr>,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) version: http::Version,
    pub(super) route: RouteId,
    /// What was sent, as soon as there is an answer.
    pub(super) status: Option<u16>,
    /// What was wrong with its head.
    pub(crate) fault: Option<ProtocolError>,
    /// The limit that its body was too large for.
    pub(super) size_limit: Option<SizeLimit>,
    /// Whether its response is one of gRPC, and with which status, as soon as that is known.
    pub(super) is_grpc: bool,
    pub(super) grpc_status: Option<u32>,
    pub(super) trace: RequestTrace,
    kind: RequestKind,
    slot: Option<RequestSlot>,
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestKind {
    /// Refused before anything else: counted and logged.
    Refused,
    /// Probes and metrics: counted, not logged, not in flight (LOG-5, MET-6).
    Probe,
    /// In flight.
    Request,
}

impl RequestGuard {
    pub(crate) fn begin<B>(
        shared: Arc<EdgeState>,
        connection: Option<Arc<ConnectionState>>,
        started: Instant,
        assigned: AssignedId,
        client_ip: Option<IpAddr>,
        request: &Request<B>,
    ) -> Box<Self> {
        if let Some(connection) = &connection {
            connection.request_began();
        }
        // In a box: it is handed on from future to body.
        Box::new(Self {
            shared,
            connection,
            started,
            request_id: assigned.id,
            id_replaced: assigned.replaced,
            client_ip,
            method: request.method().clone(),
            uri: request.uri().clone(),
            user_agent: request.headers().get(header::USER_AGENT).cloned(),
            version: request.version(),
            route: 0,
            status: None,
            fault: None,
            size_limit: None,
            is_grpc: false,
            grpc_status: None,
            trace: RequestTrace::default(),
            kind: RequestKind::Refused,
            slot: None,
            closed: false,
        })
    }

    /// The request is for a path of the chassis itself.
    pub(super) fn mark_probe(&mut self, route: RouteId) {
        self.kind = RequestKind::Probe;
        self.route = route;
    }

    /// The head or the body is malformed, and nothing that follows is read. Gives the answer.
    pub(super) fn reject(&mut self, fault: ProtocolError) -> Problem {
        if let Some(connection) = &self.connection {
            // Counted here, and not once more when the connection ends.
            connection.http1().take_malformed();
        }
        self.shared.registry.protocol_errors.count(fault);
        self.fault = Some(fault);
        let status = fault.status().and_then(|it| StatusCode::from_u16(it).ok());
        Problem::new(status.unwrap_or(StatusCode::BAD_REQUEST)).closing()
    }

    /// The request goes to a handler.
    pub(super) fn mark_in_flight(&mut self, slot: RequestSlot) {
        self.kind = RequestKind::Request;
        self.slot = Some(slot);
        self.shared.registry.http.begin();
    }

    /// Whether the connection ends with this answer: because the service does, or to make room.
    pub(super) fn is_last_answer(&self) -> bool {
        self.shared.lifecycle.is_ending()
            || self
                .connection
                .as_ref()
                .is_some_and(|connection| connection.is_last_answer())
    }

    /// The answer has no end that could be waited for: others may be handled beside it (SRV-4).
    pub(super) fn release_slot(&mut self) {
        self.slot = None;
    }

    /// The response waits for its client, and holds no slot meanwhile (SRV-4).
    pub(super) fn suspend_slot(&mut self) {
        if let Some(slot) = &mut self.slot {
            slot.suspend();
        }
    }

    /// The client waits for the response.
    pub(super) fn resume_slot(&mut self) {
        if let Some(slot) = &mut self.slot {
            slot.resume();
        }
    }

    /// The last byte of the answer has been handed to the connection.
    pub(super) fn complete(mut self: Box<Self>) {
        self.close(false);
    }

    fn close(&mut self, aborted: bool) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.slot = None;
        let now = Instant::now();
        let took = now - self.started;
        let status = self.status.unwrap_or(CLIENT_CLOSED);
        self.shared
            .registry
            .http
            .observe(self.route, &self.method, status, took);
        if self.kind != RequestKind::Probe {
            self.shared.write_access(self, status, took, aborted);
            self.shared.end_trace(self, status, took, aborted);
        }
        // Last, so that whoever sees nothing in flight also sees the record and the count.
        if self.kind == RequestKind::Request {
            self.shared.registry.http.end();
        }
        if let Some(connection) = &self.connection {
            connection.request_ended(now);
        }
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.close(true);
    }
}
