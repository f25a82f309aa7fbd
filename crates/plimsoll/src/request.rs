//! Plain data of one request: its id, its source, the limits of its body, its place in a trace, and
//! the thread-local slot in which running code finds them.
//!
//! Nothing here reads a header or a socket. The edge fills the slot; the log, metrics and extractors
//! read it.

mod body_limits;
mod context;
mod id;
mod polled;
mod source;
#[cfg(feature = "otlp")]
mod trace_context;

#[cfg(feature = "otlp")]
pub use self::trace_context::TraceContext;
pub(crate) use self::{
    body_limits::{BodyFault, BodyLimits, BodyOutcome},
    context::{
        RequestContext, TimeoutOverride, enter, enter_noted, note_polled, recorded_span, set_route,
        with_current, with_request_id,
    },
    polled::{PolledRequest, PolledSlot},
    source::{ForwardedSource, Peer, RequestSource},
};
pub use self::{
    context::{InRequest, in_request, spawn},
    id::RequestId,
    source::Scheme,
};
