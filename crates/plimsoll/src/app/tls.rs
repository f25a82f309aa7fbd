//! TLS of the main listener: loads the files at the start, and reloads them when they change.

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

/// The protocols that ALPN offers, the preferred one first.
const ALPN: &[&[u8]] = &[ALPN_HTTP2, b"http/1.1"];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// TLS of the main listener, with the thread that reads its files again.
pub(super) struct MainTls {
    tls: Arc<Tls>,
    reader: TlsReader,
}

/// Reads the files and starts the thread, if TLS is configured.
pub(super) fn start(config: &Config, registry: &Registry) -> Result<Option<MainTls>, StartFailure> {
    let Some(files) = config.tls.clone() else {
        return Ok(None);
    };
    let tls = Tls::load(files, ALPN).map_err(StartFailure::Tls)?;
    set_expiry(registry, tls.not_after());
    let reader = TlsReader::start(Arc::clone(&tls))
        .map_err(StartFailure::system("thread for certificates"))?;
    Ok(Some(MainTls { tls, reader }))
}

/// Validates the files as a start would.
pub(super) fn check(config: &Config) -> Result<(), StartFailure> {
    match config.tls.clone() {
        Some(files) => Tls::load(files, ALPN).map(drop).map_err(StartFailure::Tls),
        None => Ok(()),
    }
}

impl MainTls {
    /// Returns the configuration that connections use.
    pub(super) fn config(&self) -> Arc<Tls> {
        Arc::clone(&self.tls)
    }

    /// Watches the files on the current runtime, until it shuts down. Logs and counts each reload.
    pub(super) fn watch(self, reload: Arc<Notify>, registry: Arc<Registry>, log: Log) {
        let on_event = move |event: TlsEvent| match event {
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
        let Self { tls, reader } = self;
        tokio::spawn(watch(tls, reader, WATCH_INTERVAL, reload, on_event));
    }
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
