//! Reports the state of the process to the service manager, and enforces the hard limit.

use std::{sync::Arc, time::Duration};

use super::{exit::StartFailure, prepared::Prepared};
use crate::{
    config::{ServiceManagerEnv, Settings},
    lifecycle::{SdNotify, Watchdog, WatchdogNotifier, hard_limit, stall_limit},
};

/// The time from the hard limit of contract LIFE-1 to the end of the process by the watchdog. A shutdown
/// that keeps the limit must end first.
const WATCHDOG_MARGIN: Duration = Duration::from_millis(250);

/// The notifications to the service manager, and the watchdog thread.
pub(super) struct Monitor {
    notify: Arc<SdNotify>,
    watchdog: Watchdog,
    /// The time from the begin of the shutdown until the watchdog ends the process.
    end_within: Duration,
}

impl Monitor {
    /// Opens the manager's socket, and starts the watchdog.
    pub(super) fn start<S: Settings>(
        manager: &ServiceManagerEnv,
        service: &Prepared<S>,
    ) -> Result<Self, StartFailure> {
        let (config, log) = (service.config(), service.log());
        let notify = SdNotify::new(manager.notify_socket.as_deref(), log.clone());
        let notifier = manager.watchdog.map(|timeout| {
            let limit = stall_limit(config.request_timeout);
            WatchdogNotifier::new(Arc::clone(&notify), timeout, limit)
        });
        let checks = service.handle.checks.clone();
        let watchdog = Watchdog::start(
            Arc::clone(&service.heartbeats),
            notifier,
            Arc::clone(&service.registry),
            log.clone(),
            move || checks.tick(),
        )
        .map_err(StartFailure::system("thread for the watchdog"))?;
        let extra_hook_time = service.handle.hooks.extra_time();
        Ok(Self {
            notify,
            watchdog,
            end_within: hard_limit(config, extra_hook_time).saturating_add(WATCHDOG_MARGIN),
        })
    }

    /// Reports that connections are accepted.
    pub(super) fn service_started(&self) {
        self.notify.ready();
    }

    /// Reports that a signal cancels the start.
    pub(super) fn start_cancelled(&self) {
        self.notify.stopping();
    }

    /// Starts the hard limit, and reports that the shutdown begins.
    pub(super) fn shutdown_started(&self) {
        self.watchdog.end_within(self.end_within);
        self.notify.stopping();
    }
}
