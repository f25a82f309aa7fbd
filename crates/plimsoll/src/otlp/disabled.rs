//! Stands in the place of `otlp.rs` in builds without the feature `otlp`: nothing is recorded, and
//! nothing is left of it in the program.

use std::{io, time::Duration};

use crate::{config::Config, metrics::SpanTotals, telemetry::Log};

/// Takes no spans.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracer(());

impl Tracer {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "it can fail where there are traces"
    )]
    pub(crate) const fn start(_: &Config, _: &Log) -> io::Result<Self> {
        Ok(Self(()))
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "it can fail where there are traces"
    )]
    pub(crate) const fn check(_: &Config) -> io::Result<()> {
        Ok(())
    }

    pub(crate) const fn totals(&self) -> Option<SpanTotals> {
        None
    }

    #[expect(clippy::unused_async, reason = "it takes time where there are traces")]
    pub(crate) async fn close(&self, _: Duration) {}
}
