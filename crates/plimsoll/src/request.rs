//! Plain data of one request: id, source, limits of the body, position in a trace, debug records.
//!
//! Running code finds them in a thread-local slot. Two forms can be read by other threads: the request
//! that a worker polls, and the table of requests in flight.
//!
//! Nothing here reads a header or a socket. The edge fills the slot; the log, metrics and extractors
//! read it.

mod began;
mod body_limits;
mod context;
mod debug_records;
mod id;
mod in_flight;
mod note;
mod polled;
mod source;
#[cfg(feature = "otlp")]
mod trace_context;

#[cfg(feature = "otlp")]
pub use self::trace_context::TraceContext;
pub(crate) use self::{
    began::BeganAt,
    body_limits::{BodyFault, BodyLimits, BodyOutcome},
    context::{
        RequestContext, TimeoutOverride, enter, enter_noted, note_polled, recorded_span, set_route,
        with_current, with_request_id,
    },
    debug_records::{DebugBudget, DebugRecords},
    id::GENERATED,
    in_flight::{EntryId, InFlightRequest, InFlightTable, RequestPhase},
    polled::{PolledRequest, PolledSlot},
    source::{ForwardedSource, Peer, RequestSource},
};
pub use self::{
    context::{InRequest, in_request, spawn},
    id::RequestId,
    source::Scheme,
};
