//! Shutdown hooks, which run after the last request in reverse order of registration.
//!
//! A later part of set-up depends on earlier ones, so it is shut down before them.
//!
//! # Deadlines
//!
//! Hooks run one after the other and share `AFTER_DRAIN`. The limit of a hook is the shared time that
//! is left, divided by the number of hooks that are left. A hook that hangs thus uses up only its own
//! share. A hook with a limit of its own takes no shared time. The sum of these limits is declared
//! before the start, because it is part of the hard limit (contract LIFE-10).

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    runtime,
    time::{Instant, timeout},
};

use crate::{
    config::Level,
    sync::{Mutex, lock},
    telemetry::Log,
};

type HookFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The hooks of one service. Clones share them.
#[derive(Clone)]
pub(crate) struct Hooks {
    inner: Arc<HookList>,
}

struct HookList {
    list: Mutex<Vec<Hook>>,
    /// The declared total of the hooks' own limits.
    extra_time: Duration,
}

struct Hook {
    name: String,
    /// The hook's own limit. Without one, the hook takes part of the shared time.
    limit: Option<Duration>,
    future: HookFuture,
}

/// The result of running all hooks.
#[derive(Debug)]
pub(crate) struct HooksOutcome {
    pub(crate) cut_off: u64,
    /// The shared time that was not used.
    pub(crate) time_left: Duration,
}

impl Hooks {
    /// Creates an empty list. `extra_time` is the declared total of the hooks' own limits.
    pub(crate) fn new(extra_time: Duration) -> Self {
        Self {
            inner: Arc::new(HookList {
                list: Mutex::new(Vec::new()),
                extra_time,
            }),
        }
    }

    /// Registers a hook.
    pub(crate) fn push(
        &self,
        name: &str,
        limit: Option<Duration>,
        future: impl Future<Output = ()> + Send + 'static,
    ) {
        lock(&self.inner.list).push(Hook {
            name: name.to_owned(),
            limit,
            future: Box::pin(future),
        });
    }

    /// Returns the number of hooks that have not started.
    pub(crate) fn len(&self) -> u64 {
        lock(&self.inner.list).len() as u64
    }

    /// Returns the declared total of the hooks' own limits.
    pub(crate) fn extra_time(&self) -> Duration {
        self.inner.extra_time
    }

    /// Returns the sum of the hooks' own limits, if it exceeds the declared total.
    pub(crate) fn undeclared(&self) -> Option<Duration> {
        let sum = lock(&self.inner.list)
            .iter()
            .filter_map(|hook| hook.limit)
            .fold(Duration::ZERO, Duration::saturating_add);
        (sum > self.extra_time()).then_some(sum)
    }

    /// Runs all hooks, one after the other. `time` is the shared time.
    ///
    /// If the shutdown is `forced`, the hooks' own limits are ignored. If a hook is cut off or panics,
    /// a WARNING names it.
    pub(crate) async fn run(
        &self,
        time: Duration,
        forced: bool,
        runtime: &runtime::Handle,
        log: &Log,
    ) -> HooksOutcome {
        let mut shared = time;
        let mut extra = if forced {
            Duration::ZERO
        } else {
            self.extra_time()
        };
        let mut cut_off = 0;
        while let Some((hook, limit)) = self.next(shared, extra) {
            let began = Instant::now();
            let problem = if limit.is_zero() {
                cut_off += 1;
                Some("had no time left to begin")
            } else {
                // A separate task contains a panic of the hook.
                let task = runtime.spawn(hook.future);
                let abort = task.abort_handle();
                let problem = match timeout(limit, task).await {
                    Ok(Ok(())) => None,
                    Ok(Err(_)) => Some("panicked"),
                    Err(_) => {
                        cut_off += 1;
                        Some("did not end in time")
                    }
                };
                abort.abort();
                problem
            };
            let pool = match hook.limit {
                Some(_) if !extra.is_zero() => &mut extra,
                _ => &mut shared,
            };
            *pool = pool.saturating_sub(began.elapsed());
            if let Some(problem) = problem {
                log.infra(Level::Warning, "shutdown_hook_failed", |record| {
                    record.str("hook", &hook.name);
                    record.str("problem", problem);
                    record.number("limitMs", limit.as_millis());
                });
            }
        }
        HooksOutcome {
            cut_off,
            time_left: shared,
        }
    }

    /// Takes the next hook, and computes its limit. A hook may register further hooks.
    ///
    /// Once the declared total is used up, a hook with its own limit takes shared time instead. This
    /// happens only to hooks that were registered after the start.
    fn next(&self, shared: Duration, extra: Duration) -> Option<(Hook, Duration)> {
        let mut list = lock(&self.inner.list);
        let hook = list.pop()?;
        let limit = match hook.limit {
            Some(limit) if !extra.is_zero() => limit.min(extra),
            _ => {
                let shares = |hook: &&Hook| hook.limit.is_none() || extra.is_zero();
                let others = list.iter().filter(shares).count();
                shared / u32::try_from(others + 1).unwrap_or(u32::MAX)
            }
        };
        Some((hook, limit))
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(lock(&self.inner.list).iter().map(|hook| &hook.name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    fn hooks(extra: u64, limits: &[Option<u64>]) -> Hooks {
        let hooks = Hooks::new(Duration::from_secs(extra));
        for limit in limits {
            hooks.push("a", limit.map(Duration::from_secs), ready(()));
        }
        hooks
    }

    #[track_caller]
    fn next(hooks: &Hooks, left: u64, extra: u64) -> Option<u64> {
        let (_, limit) = hooks.next(Duration::from_millis(left), Duration::from_secs(extra))?;
        u64::try_from(limit.as_millis()).ok()
    }

    /// LIFE-10
    #[test]
    fn hook_limit_is_a_share_of_the_time_left() {
        let hooks = hooks(0, &[None, None, None]);
        assert_eq!(next(&hooks, 2400, 0), Some(800));
        assert_eq!(next(&hooks, 1600, 0), Some(800));
        assert_eq!(
            next(&hooks, 1599, 0),
            Some(1599),
            "unused time is passed on"
        );
        assert_eq!(next(&hooks, 1000, 0), None);
    }

    /// LIFE-10
    #[test]
    fn hook_with_own_limit_takes_no_shared_time() {
        let hooks = hooks(30, &[None, Some(20), Some(10), None]);
        assert_eq!(hooks.undeclared(), None);
        assert_eq!(next(&hooks, 2400, 30), Some(1200));
        assert_eq!(next(&hooks, 1200, 30), Some(10_000));
        assert_eq!(
            next(&hooks, 1200, 5),
            Some(5000),
            "the declared total holds"
        );
        assert_eq!(next(&hooks, 1200, 0), Some(1200));
    }

    /// LIFE-10
    #[test]
    fn forced_shutdown_ignores_own_limits() {
        let hooks = hooks(30, &[None, Some(30)]);
        assert_eq!(next(&hooks, 400, 0), Some(200));
        assert_eq!(next(&hooks, 200, 0), Some(200));
    }

    /// LIFE-10
    #[test]
    fn sum_above_declared_total_is_reported() {
        let declared = hooks(30, &[Some(20), None, Some(10)]);
        assert_eq!(declared.undeclared(), None);
        let undeclared = hooks(29, &[Some(20), None, Some(10)]);
        assert_eq!(undeclared.undeclared(), Some(Duration::from_secs(30)));
    }
}
