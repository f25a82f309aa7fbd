//! Replaces `app/tls.rs` in builds without the feature `tls`.

use std::sync::Arc;

use tokio::sync::Notify;

use super::exit::StartFailure;
use crate::{config::Config, metrics::Registry, server::Tls, telemetry::Log};

/// There is no TLS: its settings have been rejected before.
pub(super) enum MainTls {}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it can fail with the feature `tls`"
)]
pub(super) const fn start(_: &Config, _: &Registry) -> Result<Option<MainTls>, StartFailure> {
    Ok(None)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it can fail with the feature `tls`"
)]
pub(super) const fn check(_: &Config) -> Result<(), StartFailure> {
    Ok(())
}

impl MainTls {
    pub(super) fn config(&self) -> Arc<Tls> {
        match *self {}
    }

    pub(super) fn watch(self, _: Arc<Notify>, _: Arc<Registry>, _: Log) {
        match self {}
    }
}
