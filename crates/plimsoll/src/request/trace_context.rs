//! The trace context that a handler sends with outgoing requests.

use http::{HeaderMap, HeaderValue};

use super::context;
use crate::trace::{self, SpanContext, TRACEPARENT, TRACESTATE};

/// The trace context of the running code. Sent with an outgoing request, it makes the other service's
/// spans children of the current span.
///
/// As an extractor it is the context of the request. [`TraceContext::current`] also considers the
/// innermost `tracing` span around the running code.
///
/// If traces are off (no `OTEL_EXPORTER_OTLP_ENDPOINT`), it is the context that a trusted peer has
/// sent. So a trace continues through a service that records no spans. Otherwise it is empty.
///
/// [`propagate`](crate::propagate) writes these headers and the id of the request.
///
/// ```
/// use axum::http::HeaderMap;
/// use plimsoll::TraceContext;
///
/// async fn handler() -> String {
///     let mut headers = HeaderMap::new();
///     TraceContext::current().inject(&mut headers);
///     // … a request to another service, with these headers
/// #   String::new()
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct TraceContext {
    context: Option<SpanContext>,
    state: Option<HeaderValue>,
}

impl TraceContext {
    /// Returns the context of the running code. It is empty outside a request, unless a sampled span is
    /// entered.
    #[must_use]
    pub fn current() -> Self {
        let request = context::trace();
        if let Some(received) = request.as_ref().and_then(|trace| trace.passing_through()) {
            return Self {
                context: Some(received.context),
                state: received.state.clone(),
            };
        }
        let of_request = request.as_ref().and_then(|trace| trace.context());
        Self {
            context: trace::innermost()
                .filter(|span| of_request.is_none_or(|request| span.is_same_trace(&request)))
                .or(of_request),
            state: request.and_then(|trace| trace.state().cloned()),
        }
    }

    /// The span context.
    #[cfg(feature = "client")]
    pub(crate) const fn context(&self) -> Option<SpanContext> {
        self.context
    }

    /// Returns the context with another span, of the same trace or of a new one.
    #[cfg(feature = "client")]
    pub(crate) fn at(self, context: SpanContext) -> Self {
        Self {
            context: Some(context),
            ..self
        }
    }

    /// The value of the header `traceparent`; `None` if the context is empty.
    #[must_use]
    pub fn traceparent(&self) -> Option<HeaderValue> {
        self.context.map(|context| context.header())
    }

    /// The value of the header `tracestate` as it was received. Without a `traceparent` it is `None`.
    #[must_use]
    pub fn tracestate(&self) -> Option<HeaderValue> {
        self.state.clone()
    }

    /// The id of the trace, 32 hexadecimal digits; `None` if the context is empty.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        let digits = self.context?.trace_id_hex();
        Some(String::from_utf8_lossy(&digits).into_owned())
    }

    /// The id of the span, 16 hexadecimal digits; `None` if the context is empty.
    #[must_use]
    pub fn span_id(&self) -> Option<String> {
        let digits = self.context?.span_id_hex();
        Some(String::from_utf8_lossy(&digits).into_owned())
    }

    /// Whether the trace is sampled, so that its spans are recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.context.is_some_and(|context| context.is_sampled())
    }

    /// Writes both headers into an outgoing request. Existing `traceparent` and `tracestate` headers
    /// are removed.
    pub fn inject(&self, headers: &mut HeaderMap) {
        headers.remove(&TRACEPARENT);
        headers.remove(&TRACESTATE);
        if let Some(parent) = self.traceparent() {
            headers.insert(&TRACEPARENT, parent);
            if let Some(state) = self.tracestate() {
                headers.insert(&TRACESTATE, state);
            }
        }
    }
}
