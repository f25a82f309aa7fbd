//! Spans of requests, from the decision to record one to the collector (OTLP over HTTP).
//!
//! ```text
//! request ─ Tracer::begin ─▶ RequestTrace        the decision, before anything is built
//!    ├─ TraceLayer ─▶ Span ─┐                    spans of the user's own, inside it
//!    └─ its end ────▶ Span ─┴▶ Queue (bounded) ─▶ Exporter, a thread ─▶ Collector
//! ```
//!
//! # Why no SDK
//!
//! The one of OpenTelemetry makes a span at the beginning of each request, sampled or not, and
//! drops what does not fit without an exact count. Here a request that is not recorded costs two
//! random numbers, and the span of one that is gets built once, at its end, from what the access
//! record has anyway. The messages are those of the standard, encoded by `prost`.
//!
//! # Invariants
//!
//! * No request waits for the exporter, whatever the collector does: a queue that is full drops.
//! * `exported + dropped = produced` whenever the queue is empty and no batch is on its way, and
//!   after [`Tracer::close`].
//! * Without an endpoint there is no thread, no queue, and no decision to make.
//!
//! # Not here
//!
//! What stands in the span of a request is the business of the edge. Without the feature `otlp`
//! the file `otlp/disabled.rs` stands in the place of this one.

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
pub(crate) use self::span::{AttributeValue, Span, SpanKind};
use self::{collector::Collector, exporter::Exporter, queue::Queue, sampler::Decision};
use crate::{
    config::Config,
    metrics::SpanTotals,
    telemetry::{Log, Redaction},
    trace::{Parent, Recording, RequestTrace, SpanContext, new_span_id, new_trace_id},
};

/// Decides which requests are recorded, and takes their spans. Nothing of it is there when traces
/// are off.
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
    /// Starts to export, if the settings say where to.
    ///
    /// # Errors
    ///
    /// If the operating system gives no thread or runtime, or nothing to verify `https` with.
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

    /// Checks what a start would reject, and starts nothing.
    ///
    /// # Errors
    ///
    /// If there is nothing to verify `https` with.
    pub(crate) fn check(config: &Config) -> io::Result<()> {
        config
            .traces()
            .map_or(Ok(()), |traces| Collector::new(traces).map(drop))
    }

    /// Decides on a request with these headers, whose peer is trusted or not. `recording` is asked
    /// for what its span needs from its beginning, if there will be one.
    pub(crate) fn begin(
        &self,
        headers: &HeaderMap,
        is_trusted: bool,
        recording: impl FnOnce() -> Recording,
    ) -> RequestTrace {
        let Some(on) = &self.0 else {
            // Read for trusted peers only: all other requests pay for one branch.
            let sent = is_trusted.then(|| Parent::of(headers)).flatten();
            return sent.map_or_else(RequestTrace::default, RequestTrace::passed_through);
        };
        let sent = Parent::of(headers);
        let (continued, stranger) = if is_trusted {
            (sent, None)
        } else {
            (None, sent)
        };
        let span_id = new_span_id();
        let Some(Parent { context, state }) = continued else {
            let trace_id = new_trace_id();
            let is_sampled = on.decision.root(&trace_id);
            let context = SpanContext::root(trace_id, span_id, is_sampled);
            let recording = is_sampled.then(|| Recording {
                link: stranger,
                ..recording()
            });
            return RequestTrace::new(context, None, recording);
        };
        let is_sampled = on.decision.child(&context);
        let recording = is_sampled.then(|| Recording {
            parent: Some(context.span_id),
            ..recording()
        });
        RequestTrace::new(context.child(span_id, is_sampled), state, recording)
    }

    /// The place in a trace of a call to another service; nothing if traces are off.
    ///
    /// It is a child of `parent`, and a new trace where there is none. Where the parent is not
    /// recorded it is the parent itself, since there will be no other span.
    #[cfg(feature = "client")]
    pub(crate) fn call(&self, parent: Option<SpanContext>) -> Option<SpanContext> {
        let on = self.0.as_ref()?;
        Some(match parent {
            Some(parent) if parent.is_sampled() => parent.child(new_span_id(), true),
            Some(parent) => parent,
            None => {
                let trace_id = new_trace_id();
                let is_sampled = on.decision.root(&trace_id);
                SpanContext::root(trace_id, new_span_id(), is_sampled)
            }
        })
    }

    /// Takes a span that has ended. It is not even built if there is no room for it.
    pub(crate) fn submit(&self, build: impl FnOnce() -> Span) {
        if let Some(on) = &self.0 {
            on.queue.push(build);
        }
    }

    /// A query without the values of secret parameters. If traces are off, there is no span to
    /// show it.
    pub(crate) fn redact<'query>(&self, query: &'query str) -> Cow<'query, str> {
        match &self.0 {
            Some(on) => on.redaction.apply(query),
            None => Cow::Borrowed(""),
        }
    }

    /// How many spans there have been; nothing if traces are off.
    pub(crate) fn totals(&self) -> Option<SpanTotals> {
        self.0.as_ref().map(|on| on.queue.totals())
    }

    /// Makes spans of `tracing` parts of the requests in which they are, if traces are on.
    pub(crate) fn layer(&self) -> Option<SpanExportLayer> {
        self.0
            .is_some()
            .then(|| SpanExportLayer::new(Self(self.0.clone())))
    }

    /// Sends what is left, for `limit` at most, and drops the rest. Nothing is taken any more.
    pub(crate) async fn close(&self, limit: Duration) {
        if let Some(on) = &self.0 {
            on.exporter.close(limit).await;
        }
    }
}
