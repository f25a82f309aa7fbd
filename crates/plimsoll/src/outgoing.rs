//! Outgoing requests: propagation of the request id and the trace context, metrics and spans.
//!
//! # Scope
//!
//! There is no client, no connection pool and no retry here: the HTTP client of the service has
//! them.

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
#[cfg_attr(not(feature = "otlp"), path = "outgoing/disabled.rs")]
mod span;

use http::HeaderMap;

#[cfg(feature = "client")]
pub use self::client::{ClientFuture, ClientLayer, ClientService};

use crate::{RequestId, edge::REQUEST_ID};

/// Writes the id and the trace context of the current request into the headers of an outgoing
/// request.
///
/// The headers are `x-request-id` and, with the feature `otlp`, `traceparent` and `tracestate`.
/// Existing values are replaced. If the current request has no `traceparent` or `tracestate`, that
/// header is removed: a proxy that copies the headers of its client needs no filter.
///
/// Outside of a request, only the trace context of a recorded `tracing` span is written, and no
/// header is removed.
///
/// The trace context is that of `TraceContext::current`. If traces are off, the context that a
/// trusted peer sent is passed through.
///
/// # Examples
///
/// ```
/// use axum::http::Request;
///
/// async fn handler() {
///     let mut request = Request::new(());
///     *request.uri_mut() = "http://inventory/items/7".parse().expect("a valid URI");
///     plimsoll::propagate(request.headers_mut());
///     // The request is sent with any client.
/// }
/// ```
pub fn propagate(headers: &mut HeaderMap) {
    let id = RequestId::current();
    #[cfg(feature = "otlp")]
    {
        let trace = crate::TraceContext::current();
        if id.is_some() || trace.traceparent().is_some() {
            trace.inject(headers);
        }
    }
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id.header());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OUT-1
    #[test]
    fn headers_are_unchanged_outside_of_requests() {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", "mine".parse().unwrap());
        headers.insert("traceparent", "mine".parse().unwrap());
        let before = headers.clone();
        propagate(&mut headers);
        assert_eq!(headers, before);
        assert_eq!(RequestId::current(), None);
    }
}
