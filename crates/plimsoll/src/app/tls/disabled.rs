//! Stands in the place of `app/tls.rs` in builds without the feature `tls`.

use std::{convert::Infallible, sync::Arc};

use tokio::sync::Notify;

use super::exit::StartFailure;
use crate::{config::Config, metrics::Registry, server::Tls, telemetry::Log};

/// Settings of TLS have been rejected before.
#[expect(clippy::unnecessary_wraps, reason = "it can fail where there is TLS")]
pub(super) const fn load(_: &Config, _: &Registry) -> Result<Option<Arc<Tls>>, StartFailure> {
    Ok(None)
}

/// There are no files to read.
#[expect(clippy::unnecessary_wraps, reason = "it can fail where there is TLS")]
pub(super) const fn check(_: &Config) -> Result<(), StartFailure> {
    Ok(())
}

pub(super) fn start_reader(tls: &Arc<Tls>) -> Result<Infallible, StartFailure> {
    match **tls {}
}

pub(super) fn keep_fresh(tls: &Arc<Tls>, _: Infallible, _: Arc<Notify>, _: Arc<Registry>, _: Log) {
    match **tls {}
}
