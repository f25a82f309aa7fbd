//! Health checks of the dependencies of a service: databases, brokers, disks, other services.
//!
//! A check runs in the background, never for a probe. Its policy decides about `/ready`:
//!
//! | policy | `/ready` before the first success | `/ready` when down later | use for |
//! |---|---|---|---|
//! | [`Check::gate`] | 503 | 503 | what only this instance has: a sidecar, a disk, a loaded model |
//! | [`Check::degrade`], [`required_at_start`](Check::required_at_start) | 503 | 200, logged | a shared, vital dependency, such as the database |
//! | [`Check::degrade`] | 200, logged | 200, logged | a shared dependency with a fallback |
//! | [`Check::observe`] | 200 | 200 | graphs |
//!
//! A gate on a shared dependency takes all instances out of rotation at once when that dependency
//! fails. So use `degrade` for it: a process cannot know whether all other instances fail too.
//!
//! ```
//! use axum::Router;
//! use plimsoll::{App, Check, Handle, SetupError, build_info, check};
//!
//! async fn set_up(handle: Handle) -> Result<Router, SetupError> {
//!     handle.check(Check::degrade("database", check::tcp("db.internal:5432")).required_at_start())?;
//!     handle.check(Check::gate("spool", check::disk("/var/spool/shop".into(), 64 << 20)))?;
//!     Ok(Router::new())
//! }
//! # drop(App::new(build_info!()).setup(set_up));
//! ```
//!
//! # Connection pools
//!
//! A check on the application's own pool reports a busy pool as a failed database. A check that opens
//! connections adds load. Give the check a pool of its own, with one connection.
//!
//! A run that reaches its limit is dropped in the middle of a query. Its connection must be closed and
//! not return to the pool: after a network failure it may stay silent for ever, and the check would
//! stay down. The example `with_database` keeps a connection only after a success.

mod builtin;
#[cfg(feature = "testing")]
mod dependency;
mod registration;
mod runner;
mod status;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod track;

use std::{error::Error, fmt, pin::Pin, sync::Arc, time::Duration};

#[cfg(feature = "tls")]
pub use self::builtin::certificate;
#[cfg(feature = "testing")]
pub use self::dependency::Dependency;
pub use self::{
    builtin::{blocking, disk, http, tcp},
    registration::RegisterCheckError,
};
pub(crate) use self::{
    registration::{CheckContext, Checks, FakeError},
    status::CheckView,
};

/// The error of a check.
pub type CheckError = Box<dyn Error + Send + Sync>;

/// One run of a check.
pub type CheckFuture = Pin<Box<dyn Future<Output = Result<(), CheckError>> + Send>>;

/// Starts a run of a check.
pub(crate) type CheckFn = Arc<dyn Fn() -> CheckFuture + Send + Sync>;

/// The default time between the starts of two runs.
const INTERVAL: Duration = Duration::from_secs(10);

/// The default limit of a run.
const LIMIT: Duration = Duration::from_secs(2);

/// The effect of a check on `/ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckPolicy {
    Gate,
    Degrade,
    Observe,
}

impl CheckPolicy {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Degrade => "degrade",
            Self::Observe => "observe",
        }
    }
}

/// A health check of one dependency; see the [module](self). [`Handle::check`](crate::Handle::check)
/// registers it.
///
/// By default it runs every 10 s, and each run has a limit of 2 s. It is down after three
/// consecutive failures and up after two consecutive successes. Until its first success, each result
/// counts at once.
#[must_use = "a check runs only after `Handle::check`"]
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    policy: CheckPolicy,
    is_required: bool,
    interval: Duration,
    limit: Duration,
    run: CheckFn,
}

impl Check {
    /// Creates a check that keeps `/ready` at 503 while it is down, and before its first success.
    ///
    /// `name` is a letter, then `a–z`, `0–9` or `_`, 32 characters at most. `check` starts each run.
    /// An error, a panic or a run above its limit is a failure.
    pub fn gate<F, Fut, T, E>(name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<CheckError> + Send + 'static,
    {
        Self::new(name, CheckPolicy::Gate, true, check)
    }

    /// Creates a check that never changes `/ready`, unless it is
    /// [required at start](Self::required_at_start). When it goes down, a WARNING is logged.
    ///
    /// The parameters are those of [`Check::gate`].
    pub fn degrade<F, Fut, T, E>(name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<CheckError> + Send + 'static,
    {
        Self::new(name, CheckPolicy::Degrade, false, check)
    }

    /// Creates a check that never changes `/ready`. Its state is in metrics and INFO records.
    ///
    /// The parameters are those of [`Check::gate`].
    pub fn observe<F, Fut, T, E>(name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<CheckError> + Send + 'static,
    {
        Self::new(name, CheckPolicy::Observe, false, check)
    }

    fn new<F, Fut, T, E>(
        name: &'static str,
        policy: CheckPolicy,
        is_required: bool,
        check: F,
    ) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<CheckError> + Send + 'static,
    {
        Self {
            name,
            policy,
            is_required,
            interval: INTERVAL,
            limit: LIMIT,
            run: Arc::new(move || {
                let run = check();
                Box::pin(async move { run.await.map(drop).map_err(Into::into) })
            }),
        }
    }

    /// Keeps `/ready` at 503 until the first success of the check, and never afterwards.
    ///
    /// So a new instance that cannot reach the dependency never enters the rotation, and a rollout
    /// stops at it. Instances in the rotation stay there when the dependency fails later. A gate is
    /// always required at start. An `observe` check cannot be.
    pub fn required_at_start(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Sets the time between the starts of two runs, from 1 s to 1 h. The default is 10 s. Each
    /// interval varies by 10 %, so that instances do not run their checks at the same time.
    pub fn every(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the limit of a run, which is shorter than the interval. The default is 2 s. A run that
    /// reaches it is dropped.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("policy", &self.policy)
            .field("is_required", &self.is_required)
            .field("interval", &self.interval)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
