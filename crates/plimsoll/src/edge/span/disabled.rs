//! Replaces `edge/span.rs` in builds without the feature `otlp`: nothing is recorded.

use std::{sync::Arc, time::Duration};

use http::Request;

use super::request_guard::RequestGuard;
use crate::{metrics::Registry, otlp::Tracer, request::RequestSource, trace::RequestTrace};

/// Records no spans.
#[derive(Debug)]
pub(super) struct RequestSpans(());

impl RequestSpans {
    pub(super) fn new(_: Tracer, _: Arc<Registry>) -> Self {
        Self(())
    }

    #[expect(clippy::unused_self, reason = "there are no traces in this build")]
    pub(super) fn begin<B>(&self, _: &Request<B>, _: RequestSource) -> RequestTrace {
        RequestTrace::default()
    }

    #[expect(clippy::unused_self, reason = "there are no traces in this build")]
    pub(super) const fn end(&self, _: &RequestGuard, _: u16, _: Duration, _: bool) {}
}
