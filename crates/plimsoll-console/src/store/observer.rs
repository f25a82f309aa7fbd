//! What is called with records as they arrive.
//!
//! The latency heat map is fed with access records, and the states of services with those of the logger
//! `infra`, so that neither reads lines again.

use std::{fmt, sync::Arc};

use super::ServiceId;
use crate::ingest::fields::Record;

/// The logger of records about the life of a chassis service.
const INFRA: &str = "infra";

/// Is called with some records, outside the lock of the store and on the thread that pushes them.
pub(crate) trait Observer: Send + Sync + fmt::Debug {
    /// Is called with every access record.
    fn access(&self, _access: &Access<'_>) {}

    /// Is called with every record of the logger `infra`, such as `infra_app_ready`.
    fn infra(&self, _infra: &Infra<'_>) {}
}

/// A record of the logger `infra`, as an [`Observer`] gets it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Infra<'a> {
    pub(crate) service: ServiceId,
    pub(crate) run: u32,
    /// The time of the record, in milliseconds since the epoch.
    pub(crate) time: i64,
    pub(crate) message: &'a str,
    /// The whole record, a JSON object.
    pub(crate) line: &'a str,
}

/// An access record, as an [`Observer`] gets it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) service: ServiceId,
    pub(crate) run: u32,
    /// The time of the record, in milliseconds since the epoch.
    pub(crate) time: i64,
    pub(crate) ms: Option<f64>,
    pub(crate) status: Option<u16>,
    pub(crate) method: Option<&'a str>,
    pub(crate) route: Option<&'a str>,
}

/// Which record it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Whether the service has written it itself. Every local process can send telemetry.
    pub(super) is_output: bool,
    pub(super) service: ServiceId,
    pub(super) run: u32,
    /// The time of the record, in milliseconds since the epoch.
    pub(super) time: i64,
}

/// Calls the observers with a record, if it is of interest.
pub(super) fn call(observers: &[Arc<dyn Observer>], record: &Record<'_>, line: &str, seen: Seen) {
    let Seen {
        service,
        run,
        time,
        is_output,
    } = seen;
    let access = record.access.as_ref().map(|access| Access {
        service,
        run,
        time,
        ms: access.ms,
        status: access.status,
        method: access.method.as_deref(),
        route: access.route.as_deref(),
    });
    let infra = (record.target.as_deref() == Some(INFRA) && is_output).then(|| Infra {
        service,
        run,
        time,
        message: record.message.as_deref().unwrap_or_default(),
        line,
    });
    for observer in observers {
        if let Some(access) = &access {
            observer.access(access);
        }
        if let Some(infra) = &infra {
            observer.infra(infra);
        }
    }
}
