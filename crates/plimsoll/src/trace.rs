//! Trace contexts of requests: parsing, creation and propagation (W3C Trace Context).
//!
//! ```text
//! traceparent ─▶ parent ─┐
//!                        ├─▶ RequestTrace, in the thread's slot ─▶ log records, handlers, spans
//! ids ───────────────────┘
//! ```
//!
//! A request that is not sampled has a span context only, which takes a few bytes. Everything else is
//! created for sampled requests.
//!
//! # Invariants
//!
//! * Data from a peer is bounded: a context has 25 bytes, a state at most 512.
//! * The ids of a context are not zero.
//!
//! # Related modules
//!
//! The edge decides whether a peer is trusted. `otlp` samples traces and exports spans. Without the
//! feature `otlp`, `trace/disabled.rs` replaces this module.

mod active;
mod headers;
mod ids;
mod parent;
mod request;
mod state;

pub(crate) use self::{
    active::{enter, exit, innermost},
    headers::{TRACEPARENT, TRACESTATE},
    ids::{new_span_id, new_trace_id},
    parent::{Parent, SpanContext, SpanId, TraceId},
    request::{Link, Recording, RequestTrace},
};

/// The maximum number of bytes that the ids of a span take in a log record, in either format.
pub(crate) const IDS_ROOM: usize = 96;
