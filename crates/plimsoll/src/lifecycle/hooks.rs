//! Shutdown hooks: they run after the last request, last registered first.
//!
//! A later part of set-up depends on earlier ones, so it is shut down before them.
//!
//! # Deadlines
//!
//! Hooks run one after the other and share `AFTER_DRAIN`. Each has the shared
//! time that is left, divided by the hooks that are left: a hook that hangs costs the others nothing
//! but its own part. A hook with a limit of its own takes none of the shared time. The sum of these
//! limits is declared before the start, because it is a part of the hard limit (contract LIFE-10).

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime,
    time::{Instant, timeout},
};

use crate::{config::Level, telemetry::Log};

type HookFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The hooks of one service. Clones share them.
#[derive(Clone)]
pub(crate) struct Hooks {
    shared: Arc<HookList>,
}

struct HookList {
    list: Mutex<Vec<Hook>>,
    /// The declared total of the hooks' own limits.
    extra_time: Duration,
}

struct Hook {
    name: String,
    /// Its own limit; the hook shares the common time if there is none.
    limit: Option<Duration>,
    work: HookFuture,
}

/// How the hooks ended.
#[derive(Debug)]
pub(crate) struct HooksOutcome {
    pub(crate) cut_off: u64,
    /// What is left of the shared time.
    pub(crate) left: Duration,
}

impl Hooks {
    /// `extra_time` is the total that hooks with a limit of their own may take.
    pub(crate) fn new(extra_time: Duration) -> Self {
        Self {
            shared: Arc::new(HookList {
                list: Mutex::new(Vec::new()),
                extra_time,
            }),
        }
    }

    pub(crate) fn push(
        &self,
        name: &str,
        limit: Option<Duration>,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        self.lock().push(Hook {
            name: name.to_owned(),
            limit,
            work: Box::pin(work),
        });
    }

    /// The number of hooks that have not begun.
    pub(crate) fn len(&self) -> u64 {
        self.lock().len() as u64
    }

    /// The declared total of the hooks' own limits.
    pub(crate) fn extra_time(&self) -> Duration {
        self.shared.extra_time
    }

    /// The sum of the hooks' own limits, if it exceeds the declared total.
    pub(crate) fn undeclared(&self) -> Option<Duration> {
        let sum = self
            .lock()
            .iter()
            .filter_map(|hook| hook.limit)
            .fold(Duration::ZERO, Duration::saturating_add);
        (sum > self.extra_time()).then_some(sum)
    }

    /// Runs all hooks, one after the other. `time` is what they share.
    ///
    /// If the end is `hurried`, limits of their own do not count. A hook that is cut off or panics is
    /// named in a WARNING.
    pub(crate) async fn run(
        &self,
        time: Duration,
        hurried: bool,
        runtime: &runtime::Handle,
        log: &Log,
    ) -> HooksOutcome {
        let mut left = time;
        let mut extra = if hurried {
            Duration::ZERO
        } else {
            self.extra_time()
        };
        let mut cut_off = 0;
        while let Some((hook, limit)) = self.next(left, extra) {
            let began = Instant::now();
            let problem = if limit.is_zero() {
                cut_off += 1;
                Some("had no time left to begin")
            } else {
                // A task of its own, so that a panic stays in it.
                let task = runtime.spawn(hook.work);
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
                _ => &mut left,
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
        HooksOutcome { cut_off, left }
    }

    /// Takes the next hook, and computes how long it may take. A hook may register further ones.
    ///
    /// A hook with a limit of its own shares the common time once the declared total is used up: that
    /// is possible only for one that was registered after the start.
    fn next(&self, left: Duration, extra: Duration) -> Option<(Hook, Duration)> {
        let mut list = self.lock();
        let hook = list.pop()?;
        let limit = match hook.limit {
            Some(limit) if !extra.is_zero() => limit.min(extra),
            _ => {
                let shares = |hook: &&Hook| hook.limit.is_none() || extra.is_zero();
                let others = list.iter().filter(shares).count();
                left / u32::try_from(others + 1).unwrap_or(u32::MAX)
            }
        };
        Some((hook, limit))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Hook>> {
        self.shared
            .list
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.lock().iter().map(|hook| &hook.name))
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

    #[test]
    fn own_limit_takes_no_shared_time() {
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

    #[test]
    fn hurried_end_ignores_own_limits() {
        let hooks = hooks(30, &[None, Some(30)]);
        assert_eq!(next(&hooks, 400, 0), Some(200));
        assert_eq!(next(&hooks, 200, 0), Some(200));
    }

    #[test]
    fn sum_above_the_declared_total_is_found() {
        let declared = hooks(30, &[Some(20), None, Some(10)]);
        assert_eq!(declared.undeclared(), None);
        let undeclared = hooks(29, &[Some(20), None, Some(10)]);
        assert_eq!(undeclared.undeclared(), Some(Duration::from_secs(30)));
    }
}
