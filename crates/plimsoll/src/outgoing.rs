//! Requests to other services: they carry the id and the trace of the request that causes them.
//!
//! # Not here
//!
//! There is no client, no connection pool and no retry: those belong to the HTTP client of the
//! service.

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
#[cfg_attr(not(feature = "otlp"), path = "outgoing/disabled.rs")]
mod span;

use http::HeaderMap;

#[cfg(feature = "client")]
pub use self::client::{ClientFuture, ClientLayer, ClientService};

use crate::{RequestId, edge::REQUEST_ID};

/// Writes the id and the trace of the current request into the headers of an outgoing request.
///
/// The headers are `x-request-id` and, with the feature `otlp`, `traceparent` and `tracestate`.
/// Values that are there already are replaced, and a `traceparent` or `tracestate` is removed if the
/// current request has none: a proxy that copies the headers of its client needs no filter.
/// Outside of a request, only the trace of a recorded `tracing` span is written, and nothing is
/// removed.
///
/// The trace is that of `TraceContext::current`. If traces are off, the context that a trusted peer has
/// sent is passed through. Without the feature `otlp` only the id is written.
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

    #[test]
    fn headers_stay_as_they_are_outside_of_requests() {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", "mine".parse().unwrap());
        headers.insert("traceparent", "mine".parse().unwrap());
        let before = headers.clone();
        propagate(&mut headers);
        assert_eq!(headers, before);
        assert_eq!(RequestId::current(), None);
    }
}
