//! Replaces `otlp.rs` in builds without the feature `otlp`: no request is sampled.

use std::{io, time::Duration};

use crate::{config::Config, metrics::SpanTotals, telemetry::Log};

/// A tracer that records no spans.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracer(());

impl Tracer {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the implementation with traces can fail"
    )]
    pub(crate) const fn start(_: &Config, _: &Log) -> io::Result<Self> {
        Ok(Self(()))
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the implementation with traces can fail"
    )]
    pub(crate) const fn check(_: &Config) -> io::Result<()> {
        Ok(())
    }

    pub(crate) const fn totals(&self) -> Option<SpanTotals> {
        None
    }

    #[expect(clippy::unused_async, reason = "the implementation with traces awaits")]
    pub(crate) async fn close(&self, _: Duration) {}
}
