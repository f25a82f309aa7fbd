//! TLS of the main listener: loaded at the start, reloaded when its files change, and told of.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::Notify;

use super::exit::StartFailure;
use crate::{
    config::{Config, Level},
    error::chain,
    metrics::Registry,
    server::{ALPN_HTTP2, Tls, TlsEvent, TlsReader, WATCH_INTERVAL, watch},
    telemetry::Log,
};

/// The protocols that are spoken over TLS, the preferred one first.
const ALPN: &[&[u8]] = &[ALPN_HTTP2, b"http/1.1"];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads the files, if TLS is configured.
pub(super) fn load(config: &Config, registry: &Registry) -> Result<Option<Arc<Tls>>, StartFailure> {
    let Some(files) = config.tls.clone() else {
        return Ok(None);
    };
    let tls = Tls::load(files, ALPN).map_err(StartFailure::Tls)?;
    set_expiry(registry, tls.not_after());
    Ok(Some(tls))
}

/// Reads the files as a start would, and keeps nothing.
pub(super) fn check(config: &Config) -> Result<(), StartFailure> {
    match config.tls.clone() {
        Some(files) => Tls::load(files, ALPN).map(drop).map_err(StartFailure::Tls),
        None => Ok(()),
    }
}

/// Starts the thread that reads the files again.
pub(super) fn start_reader(tls: &Arc<Tls>) -> Result<TlsReader, StartFailure> {
    TlsReader::start(Arc::clone(tls)).map_err(|source| StartFailure::System {
        what: "thread for certificates",
        source,
    })
}

/// Watches the files on the present runtime, for as long as that lives.
pub(super) fn keep_fresh(
    tls: &Arc<Tls>,
    reader: TlsReader,
    reload: Arc<Notify>,
    registry: Arc<Registry>,
    log: Log,
) {
    let told = move |event: TlsEvent| match event {
        TlsEvent::Reloaded { not_after } => {
            set_expiry(&registry, not_after);
            log.infra(Level::Info, "tls_reloaded", |record| {
                record.number("notAfter", seconds(not_after));
            });
        }
        TlsEvent::Failed(error) => {
            registry.tls_reload_failures.fetch_add(1, Ordering::Relaxed);
            log.infra(Level::Error, "tls_reload_failed", |record| {
                record.str("error", &chain(&error));
            });
        }
        TlsEvent::ExpiresSoon { left } => {
            log.infra(Level::Warning, "tls_certificate_expires_soon", |record| {
                record.number("daysLeft", left.as_secs() / DAY.as_secs());
            });
        }
    };
    tokio::spawn(watch(Arc::clone(tls), reader, WATCH_INTERVAL, reload, told));
}

fn set_expiry(registry: &Registry, not_after: SystemTime) {
    registry
        .certificate_expiry
        .store(seconds(not_after), Ordering::Relaxed);
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
