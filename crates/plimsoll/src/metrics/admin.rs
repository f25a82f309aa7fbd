//! The metrics of the operator controls on the admin listener.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::{
    causes::{Cause as _, CauseCounts, causes},
    definition as families,
    text::TextEncoder,
};
use crate::sync::{Mutex, lock};

causes! {
    /// Why a request to the operator controls was denied (contract ADM-6, ADM-7).
    Denial {
        /// The token is missing or wrong, or the peer on the unix socket has another uid.
        Unauthorised = "unauthorised",
        /// The host is a name.
        Host = "host",
        /// A page of another origin has sent the request.
        Origin = "origin",
    }
}

causes! {
    /// The kinds of changes.
    AdminAction {
        Readiness = "readiness",
        CheckPolicy = "check_policy",
        LogLevel = "log_level",
        RequestLogLevel = "request_log_level",
        Drain = "drain",
    }
}

/// The counts of requests to the controls, of denials and of changes.
#[derive(Debug, Default)]
pub(crate) struct AdminMetrics {
    /// By path and status. Few requests come here, so a lock suffices.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    pub(crate) denied: CauseCounts<Denial>,
    pub(crate) changes: CauseCounts<AdminAction>,
    /// The changes in force, by the index of their action.
    active: [AtomicU64; AdminAction::ALL.len()],
    /// Whether the service has an admin listener. Without one, these metrics are absent.
    is_enabled: AtomicBool,
}

impl AdminMetrics {
    pub(crate) fn enable(&self) {
        self.is_enabled.store(true, Ordering::Relaxed);
    }

    /// Counts a request. `path` is one of a closed set.
    pub(crate) fn count_request(&self, path: &'static str, status: u16) {
        *lock(&self.requests).entry((path, status)).or_default() += 1;
    }

    /// Sets the number of changes in force.
    pub(crate) fn set_active(&self, action: AdminAction, count: usize) {
        self.active[action.index()].store(count as u64, Ordering::Relaxed);
    }

    pub(super) fn render(&self, out: &mut TextEncoder) {
        if !self.is_enabled.load(Ordering::Relaxed) {
            return;
        }
        out.family(&families::ADMIN_REQUESTS);
        for ((path, status), count) in &*lock(&self.requests) {
            let labels = [("path", *path), ("status", &status.to_string())];
            out.sample("_total", &labels, *count);
        }
        self.denied.render(out, &families::ADMIN_DENIED);
        self.changes.render(out, &families::ADMIN_CHANGES);
        out.family(&families::ADMIN_CHANGES_ACTIVE);
        for (action, count) in AdminAction::ALL.iter().zip(&self.active) {
            let label = ("action", action.as_str());
            out.sample("", &[label], count.load(Ordering::Relaxed));
        }
    }
}
