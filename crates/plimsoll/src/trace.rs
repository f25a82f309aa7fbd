//! The trace that a request belongs to: read, begun, and handed on (W3C Trace Context).
//!
//! ```text
//! traceparent ─▶ parent ─┐
//!                        ├─▶ RequestTrace, in the slot of the thread ─▶ records, handlers, spans
//! ids ───────────────────┘
//! ```
//!
//! What is told of a request that nobody records is its place in the trace, and costs a few bytes;
//! everything else is made for requests that are recorded.
//!
//! # Invariants
//!
//! * Nothing a stranger sends is longer here than it may be: a context has 25 bytes, a state 512.
//! * A context has ids that are not zero.
//!
//! # Not here
//!
//! Whether a peer is believed is decided in the edge; whether a trace is recorded, and where its
//! spans go, in `otlp`. Without the feature `otlp` the file `trace/disabled.rs` stands in the place of
//! this one.

mod active;
mod ids;
pub(crate) mod parent;
mod request;
mod state;

pub(crate) use self::{
    active::{enter, exit, innermost},
    ids::{new_span_id, new_trace_id},
    parent::{Parent, SpanContext, SpanId, TRACEPARENT, TRACESTATE, TraceId},
    request::{Link, Recording, RequestTrace},
};

/// The most bytes that the ids of a span take in a record, in either format of the log.
pub(crate) const IDS_ROOM: usize = 96;
