//! The names of the headers of W3C Trace Context, which `http` has no constants for.

use http::HeaderName;

pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
