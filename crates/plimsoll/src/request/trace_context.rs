//! What a handler sends on to those whom it asks.

use http::{HeaderMap, HeaderValue};

use super::context;
use crate::trace::{self, SpanContext, TRACEPARENT, TRACESTATE};

/// The place in a trace at which the running code is: what it sends on to others, so that their
/// spans become its children.
///
/// As an extractor it is that of the request; [`TraceContext::current`] is also that of the innermost
/// span of `tracing` around the running code.
///
/// If traces are off (no `OTEL_EXPORTER_OTLP_ENDPOINT`), it is the context that a trusted peer has
/// sent, so that a trace continues through a service that takes no part in it. Otherwise it is empty.
///
/// [`propagate`](crate::propagate) writes these headers together with the id of the request.
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
    /// The present place; empty outside of requests, unless a recorded span is around.
    #[must_use]
    pub fn current() -> Self {
        let request = context::trace();
        if let Some(sent) = request.as_ref().and_then(|trace| trace.passing_through()) {
            return Self {
                context: Some(sent.context),
                state: sent.state.clone(),
            };
        }
        let of_request = request.as_ref().and_then(|trace| trace.context());
        Self {
            context: trace::innermost()
                .filter(|span| of_request.is_none_or(|request| span.is_of(&request)))
                .or(of_request),
            state: request.and_then(|trace| trace.state().cloned()),
        }
    }

    /// The place itself.
    #[cfg(feature = "client")]
    pub(crate) const fn context(&self) -> Option<SpanContext> {
        self.context
    }

    /// Another place in the same trace, or in one that begins.
    #[cfg(feature = "client")]
    pub(crate) fn at(self, context: SpanContext) -> Self {
        Self {
            context: Some(context),
            ..self
        }
    }

    /// The header `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> Option<HeaderValue> {
        self.context.map(|context| context.header())
    }

    /// The header `tracestate`, which others have written; there is none without a `traceparent`.
    #[must_use]
    pub fn tracestate(&self) -> Option<HeaderValue> {
        self.state.clone()
    }

    /// The id of the trace, 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        let digits = self.context?.trace_id_hex();
        Some(String::from_utf8_lossy(&digits).into_owned())
    }

    /// The id of the span, 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> Option<String> {
        let digits = self.context?.span_id_hex();
        Some(String::from_utf8_lossy(&digits).into_owned())
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.context.is_some_and(|context| context.is_sampled())
    }

    /// Puts both headers on a request to somebody else, in the place of any that are there.
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
