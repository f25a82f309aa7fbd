//! Sampling, queueing and export of request spans (OTLP over HTTP).
//!
//! ```text
//! request ─ Tracer::begin ─▶ RequestTrace             the sampling decision, before a span is built
//!    ├─ SpanExportLayer ─▶ Span ─┐                    `tracing` spans inside the request
//!    └─ end of request ──▶ Span ─┴▶ Queue (bounded) ─▶ Exporter, a thread ─▶ Collector
//! ```
//!
//! # Comparison with the OpenTelemetry SDK
//!
//! The SDK creates a span at the beginning of each request, sampled or not, and does not count dropped
//! spans exactly. Here a request that is not sampled costs two random numbers. The span of a sampled
//! request is built once, at its end, from the data of the access record. The messages are those of
//! the OTLP standard, encoded with `prost`.
//!
//! # Invariants
//!
//! * No request waits for the exporter. If the queue is full, the span is dropped.
//! * `exported + dropped = produced` whenever the queue is empty and no batch is being sent, and after
//!   [`Tracer::close`].
//! * Without an endpoint there is no thread and no queue, and no request is sampled.
//!
//! # Related modules
//!
//! The edge defines the attributes of a request span. Without the feature `otlp`, `otlp/disabled.rs`
//! replaces this module.

mod collector;
mod encode;
mod exporter;
mod layer;
mod message;
mod queue;
mod sampler;
mod span;

use std::{borrow::Cow, io, sync::Arc, time::Duration};

use http::HeaderMap;

pub use self::layer::SpanExportLayer;
pub(crate) use self::span::{
    AttributeValue, Span, SpanKind, method_name, protocol_version, push_method,
};
use self::{collector::Collector, exporter::Exporter, queue::Queue, sampler::Decision};
use crate::{
    config::Config,
    metrics::SpanTotals,
    telemetry::{Log, Redaction},
    trace::{Parent, Recording, RequestTrace, SpanContext, new_span_id, new_trace_id},
};

/// Samples requests and queues their spans. Empty if traces are off.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracer(Option<Arc<ActiveTracer>>);

#[derive(Debug)]
struct ActiveTracer {
    decision: Decision,
    queue: Arc<Queue>,
    exporter: Exporter,
    redaction: Redaction,
}

impl Tracer {
    /// Starts the exporter, if the settings have an endpoint.
    ///
    /// # Errors
    ///
    /// If the thread or its runtime cannot be created, or if `https` has no certificate authorities.
    pub(crate) fn start(config: &Config, log: &Log) -> io::Result<Self> {
        let Some(traces) = config.traces() else {
            return Ok(Self(None));
        };
        let queue = Arc::new(Queue::new(traces.queue, traces.batch));
        let exporter = Exporter::start(traces, &config.build, Arc::clone(&queue), log.clone())?;
        Ok(Self(Some(Arc::new(ActiveTracer {
            decision: Decision::new(traces.sampler),
            queue,
            exporter,
            redaction: Redaction::new(&config.redact_query),
        }))))
    }

    /// Checks the settings like [`Tracer::start`], without starting the exporter.
    ///
    /// # Errors
    ///
    /// If `https` has no certificate authorities.
    pub(crate) fn check(config: &Config) -> io::Result<()> {
        config
            .traces()
            .map_or(Ok(()), |traces| Collector::new(traces).map(drop))
    }

    /// Makes the sampling decision for a request with these headers.
    ///
    /// A trusted peer's trace is continued; the span of another request links to the received context.
    /// `recording` is called for sampled requests only.
    pub(crate) fn begin(
        &self,
        headers: &HeaderMap,
        is_trusted: bool,
        recording: impl FnOnce() -> Recording,
    ) -> RequestTrace {
        let Some(active) = &self.0 else {
            // Parsed for trusted peers only. All other requests pay for one branch.
            let received = is_trusted.then(|| Parent::from_headers(headers)).flatten();
            return received.map_or_else(RequestTrace::default, RequestTrace::passed_through);
        };
        let received = Parent::from_headers(headers);
        let (continued, untrusted) = if is_trusted {
            (received, None)
        } else {
            (None, received)
        };
        let span_id = new_span_id();
        let Some(Parent { context, state }) = continued else {
            let trace_id = new_trace_id();
            let is_sampled = active.decision.root(&trace_id);
            let context = SpanContext::root(trace_id, span_id, is_sampled);
            let recording = is_sampled.then(|| Recording {
                link: untrusted,
                ..recording()
            });
            return RequestTrace::new(context, None, recording);
        };
        let is_sampled = active.decision.child(&context);
        let recording = is_sampled.then(|| Recording {
            parent: Some(context.span_id),
            ..recording()
        });
        RequestTrace::new(context.child(span_id, is_sampled), state, recording)
    }

    /// Returns the context for a call to another service; `None` if traces are off.
    ///
    /// It is a child of `parent`, or the root of a new trace without a parent. If the parent is not
    /// sampled, it is the parent itself, as the call has no span.
    #[cfg(feature = "client")]
    pub(crate) fn call(&self, parent: Option<SpanContext>) -> Option<SpanContext> {
        let active = self.0.as_ref()?;
        Some(match parent {
            Some(parent) if parent.is_sampled() => parent.child(new_span_id(), true),
            Some(parent) => parent,
            None => {
                let trace_id = new_trace_id();
                let is_sampled = active.decision.root(&trace_id);
                SpanContext::root(trace_id, new_span_id(), is_sampled)
            }
        })
    }

    /// Queues the span that `build` returns. If the queue is full, `build` is not called.
    pub(crate) fn submit(&self, build: impl FnOnce() -> Span) {
        if let Some(active) = &self.0 {
            active.queue.push(build);
        }
    }

    /// Returns a query with the values of secret parameters masked. If traces are off, it is empty.
    pub(crate) fn redact<'query>(&self, query: &'query str) -> Cow<'query, str> {
        match &self.0 {
            Some(active) => active.redaction.apply(query),
            None => Cow::Borrowed(""),
        }
    }

    /// Returns the counts of spans; `None` if traces are off.
    pub(crate) fn totals(&self) -> Option<SpanTotals> {
        self.0.as_ref().map(|active| active.queue.totals())
    }

    /// Returns the layer that exports `tracing` spans of requests; `None` if traces are off.
    pub(crate) fn layer(&self) -> Option<SpanExportLayer> {
        self.0
            .is_some()
            .then(|| SpanExportLayer::new(Self(self.0.clone())))
    }

    /// Closes the queue, and sends the queued spans for at most `limit`. The rest is dropped and
    /// counted.
    pub(crate) async fn close(&self, limit: Duration) {
        if let Some(active) = &self.0 {
            active.exporter.close(limit).await;
        }
    }
}
