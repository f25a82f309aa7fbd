//! The guard of one request: it ends the request exactly once, on every path.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
};

use http::{HeaderValue, Method, Request, StatusCode, Uri};
use tokio::time::Instant;

use super::{
    admission::RequestSlot,
    head_fields::HeadFields,
    problem::Problem,
    request_body::SizeLimit,
    request_id::AssignedId,
    state::{EdgeConnection, EdgeState},
    strict,
};
use crate::{
    connection::ConnectionState,
    metrics::{ProtocolError, RouteId},
    request::{
        self, BeganAt, BodyLimits, DebugRecords, EntryId, RequestContext, RequestId, RequestPhase,
        RequestSource, TimeoutOverride,
    },
    telemetry::CaughtPanic,
    trace::RequestTrace,
};

/// The status of a request that ended before a response was sent (contract LOG-9).
const CLIENT_CLOSED: u16 = 499;

/// Holds the data of a request until the request ends, then counts and logs it.
///
/// A drop ends the request as aborted. This happens when the client disconnects, or when the drain
/// of the process times out.
#[derive(Debug)]
pub(crate) struct RequestGuard {
    shared: Arc<EdgeConnection>,
    started: Instant,
    pub(crate) request_id: RequestId,
    /// The id as a header, for the response.
    id_header: Option<HeaderValue>,
    pub(super) id_replaced: bool,
    pub(super) client_ip: Option<IpAddr>,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) version: http::Version,
    pub(super) route: RouteId,
    /// The status of the response, as soon as there is one.
    pub(super) status: Option<u16>,
    /// The fault for which the head or the body was rejected.
    pub(crate) fault: Option<ProtocolError>,
    /// The limit that the body exceeded.
    pub(super) size_limit: Option<SizeLimit>,
    /// Whether the response is one of gRPC.
    pub(super) is_grpc: bool,
    /// The status of gRPC, as soon as it is known.
    pub(super) grpc_status: Option<u32>,
    pub(super) trace: RequestTrace,
    /// The records that are written if the request fails, with `DEBUG_ON_ERROR`.
    pub(super) debug_records: Option<Arc<DebugRecords>>,
    kind: RequestKind,
    slot: Option<RequestSlot>,
    /// The entry in the table of requests in flight.
    entry: Option<EntryId>,
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestKind {
    /// Rejected before it got a slot: counted and logged.
    Rejected,
    /// A probe or a scrape: counted, not logged, not in flight (LOG-5, MET-6).
    Probe,
    /// In flight: counted, logged and part of the gauge.
    Request,
    /// An operator control: logged, and counted by this path in a metric of its own (ADM-18).
    Control(&'static str),
}

impl RequestGuard {
    pub(crate) fn begin<B>(
        shared: Arc<EdgeConnection>,
        started: Instant,
        assigned: AssignedId,
        client_ip: Option<IpAddr>,
        request: &Request<B>,
        fields: &HeadFields<'_>,
    ) -> Box<Self> {
        if let Some(connection) = &shared.connection {
            connection.request_began();
        }
        // Boxed, because it moves from the future into the body. With guard and context in boxes, a
        // request takes 1,780 instructions of `memcpy` instead of 3,000 (docs/performance.md).
        Box::new(Self {
            shared,
            started,
            request_id: assigned.id,
            id_header: Some(assigned.header),
            id_replaced: assigned.replaced,
            client_ip,
            method: request.method().clone(),
            uri: request.uri().clone(),
            user_agent: fields.user_agent.cloned(),
            version: request.version(),
            route: 0,
            status: None,
            fault: None,
            size_limit: None,
            is_grpc: false,
            grpc_status: None,
            trace: RequestTrace::default(),
            debug_records: None,
            kind: RequestKind::Rejected,
            slot: None,
            entry: None,
            closed: false,
        })
    }

    pub(super) fn state(&self) -> &EdgeState {
        &self.shared.state
    }

    /// The connection, if it is one of the chassis's own server.
    pub(super) fn connection(&self) -> Option<&ConnectionState> {
        self.shared.connection.as_deref()
    }

    /// The id as a header of the response.
    pub(super) fn take_id_header(&mut self) -> HeaderValue {
        let header = self.id_header.take();
        header.unwrap_or_else(|| self.request_id.header())
    }

    /// The context in which the handler runs.
    #[inline]
    pub(super) fn context(
        &self,
        began: BeganAt,
        source: RequestSource,
        body: Option<Arc<BodyLimits>>,
    ) -> Box<RequestContext> {
        Box::new(RequestContext {
            service: Some(Arc::<EdgeConnection>::clone(&self.shared)),
            request_id: self.request_id.clone(),
            began,
            entry: self.entry,
            client_ip: self.client_ip,
            source: Some(source),
            route: self.route,
            is_default_answer: false,
            request_timeout: TimeoutOverride::Inherit,
            body,
            trace: self.trace.clone(),
            debug_records: self.debug_records.clone(),
        })
    }

    /// Marks the request as one for a path of the chassis.
    pub(super) fn mark_probe(&mut self, route: RouteId) {
        self.kind = RequestKind::Probe;
        self.route = route;
    }

    /// Marks the request as one for an operator control.
    pub(super) fn mark_control(&mut self, label: &'static str) {
        self.kind = RequestKind::Control(label);
    }

    /// Whether the request is one for an operator control, which needs no slot.
    pub(super) fn is_control(&self) -> bool {
        matches!(self.kind, RequestKind::Control(_))
    }

    /// Marks the request as one that a handler gets.
    pub(super) fn mark_in_flight(&mut self, slot: RequestSlot) {
        self.kind = RequestKind::Request;
        self.slot = Some(slot);
        self.state().registry.http.begin();
        self.set_phase(RequestPhase::Handler);
    }

    /// Lists the request among those in flight, if there are operator controls. A control is not listed.
    pub(super) fn list(&mut self, began: BeganAt) {
        let phase = match self.kind {
            RequestKind::Request => RequestPhase::Handler,
            RequestKind::Rejected => RequestPhase::Queued,
            RequestKind::Probe | RequestKind::Control(_) => return,
        };
        if let Some(table) = self.state().registry.in_flight.get() {
            self.entry = table.begin(self.request_id.as_bytes(), began, self.route, phase);
        }
    }

    pub(super) fn set_phase(&self, phase: RequestPhase) {
        if let Some((table, entry)) = self.state().registry.in_flight_entry(self.entry) {
            table.set_phase(entry, phase);
        }
    }

    /// Rejects a head that RFC 9112 forbids.
    pub(super) fn check_head<B>(
        &mut self,
        request: &Request<B>,
        fields: &HeadFields<'_>,
    ) -> Result<(), Problem> {
        let connection = self.connection();
        let head_bytes = connection.map_or(0, ConnectionState::head_bytes);
        let has_fragment = connection.is_some_and(|it| it.http1().has_fragment());
        strict::check(request, fields, head_bytes, has_fragment).map_err(|fault| self.reject(fault))
    }

    /// Rejects a malformed head or body and returns the answer. The connection reads nothing more.
    pub(super) fn reject(&mut self, fault: ProtocolError) -> Problem {
        if let Some(connection) = self.connection() {
            // Counted here, so the end of the connection must not count it again.
            connection.http1().take_malformed();
        }
        self.state().registry.protocol_errors.count(fault);
        self.fault = Some(fault);
        let status = fault.status().and_then(|it| StatusCode::from_u16(it).ok());
        Problem::new(status.unwrap_or(StatusCode::BAD_REQUEST)).closing()
    }

    /// Whether the connection holds a permit of the reserve, which is for probes only.
    pub(super) fn is_on_reserve(&self) -> bool {
        self.connection().is_some_and(ConnectionState::is_reserve)
    }

    /// Whether the connection closes after this response, for a drain, an eviction or its age.
    pub(super) fn is_last_answer(&self) -> bool {
        self.state().lifecycle.is_ending()
            || self
                .connection()
                .is_some_and(ConnectionState::is_last_response)
    }

    /// Releases the slot for good, because the response has no foreseeable end (SRV-4).
    pub(super) fn release_slot(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.state().admission.release(slot);
        }
    }

    /// Suspends the slot while the response waits for its client (SRV-4).
    pub(super) fn suspend_slot(&mut self) {
        if let Some(slot) = &mut self.slot {
            self.shared.state.admission.suspend(slot);
        }
    }

    /// Resumes the slot, because the client waits for the response.
    pub(super) fn resume_slot(&mut self) {
        if let Some(slot) = &mut self.slot {
            self.shared.state.admission.resume(slot);
        }
    }

    /// Counts a panic and writes its one record, unless the panic hook has done so (contract SRV-5).
    pub(super) fn count_panic(&self, caught: &CaughtPanic) {
        if let Some(records) = &self.debug_records {
            records.mark_wanted();
        }
        if caught.recorded {
            return;
        }
        self.state().registry.panics.fetch_add(1, Ordering::Relaxed);
        let context = RequestContext::of(&self.request_id, &self.trace);
        request::enter(&mut Some(Box::new(context)), || {
            caught.place.write(&self.state().log);
        });
    }

    /// Counts the panic of a handler and returns the answer in its place.
    pub(super) fn panicked(&self, caught: &CaughtPanic) -> Problem {
        self.count_panic(caught);
        let detail = self
            .state()
            .debug
            .then(|| format!("{} at {}", caught.place.message, caught.place.location));
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR).with_detail(detail)
    }

    /// Ends the request as complete: the connection has the last byte of the response.
    pub(super) fn complete(mut self: Box<Self>) {
        self.close(false);
    }

    fn close(&mut self, aborted: bool) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.release_slot();
        if let Some((table, entry)) = self.state().registry.in_flight_entry(self.entry) {
            table.end(entry);
        }
        let now = Instant::now();
        let took = now - self.started;
        let status = self.status.unwrap_or(CLIENT_CLOSED);
        let registry = &self.state().registry;
        if let RequestKind::Control(label) = self.kind {
            registry.admin.count_request(label, status);
        } else {
            registry
                .http
                .observe(self.route, &self.method, status, took);
        }
        if let Some(records) = &self.debug_records {
            let (id, span) = (self.request_id.as_str(), self.trace.recorded());
            let log = &self.state().log;
            log.end_debug_records(records, status >= 500, id, span);
        }
        if self.kind != RequestKind::Probe {
            let access_log = &self.state().access_log;
            access_log.write(self, status, now, took, aborted);
        }
        if matches!(self.kind, RequestKind::Request | RequestKind::Rejected) {
            self.state().spans.end(self, status, took, aborted);
        }
        // Last: when the gauge is 0, all records and counts are complete.
        if self.kind == RequestKind::Request {
            self.state().registry.http.end();
        }
        if let Some(connection) = self.connection() {
            connection.request_ended(now);
        }
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.close(true);
    }
}
