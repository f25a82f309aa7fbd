//! The checks of a service: their registration in set-up, and their start.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    runtime,
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

use super::{
    Check, CheckFn, CheckPolicy,
    runner::CheckRunner,
    status::{CheckView, Effects},
};
use crate::{
    component_name,
    config::duration_text,
    lifecycle::{DrainStage, Lifecycle, Readiness, TICK},
    metrics::{CheckCells, CheckMetrics},
    sync::{Mutex, lock},
    telemetry::Log,
};

/// The most checks of a service.
const MAX_CHECKS: usize = 32;

const MIN_INTERVAL: Duration = Duration::from_secs(1);
const MAX_INTERVAL: Duration = Duration::from_secs(3600);

/// How long the start waits for the first results of required checks (contract HLT-6).
const FIRST_ROUND: Duration = Duration::from_secs(2);

/// The reason for which a check is not registered (contract HLT-1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterCheckError {
    /// The name is invalid.
    #[error(
        "the check's name {0:?} must be a letter, then a–z, 0–9 or _, \
        and have {max} characters at most",
        max = component_name::MAX_LENGTH
    )]
    Name(&'static str),
    /// Another check has this name.
    #[error("there are two checks named {0:?}: choose another name")]
    Repeated(&'static str),
    /// The interval is out of range.
    #[error("the check {0:?} runs every {text}, and it must be 1 s to 1 h", text = duration_text(*.1))]
    Interval(&'static str, Duration),
    /// The limit is zero, or not shorter than the interval.
    #[error(
        "the check {0:?} has a limit of {text}, and it must be above 0 and shorter than the interval",
        text = duration_text(*.1)
    )]
    Limit(&'static str, Duration),
    /// The check can never change readiness, so it cannot be required at start.
    #[error(
        "the check {0:?} is of the kind `observe`, and cannot be required at start: use `degrade`"
    )]
    RequiredObserver(&'static str),
    /// The service has 32 checks.
    #[error("the check {0:?} is one too many: a service has {MAX_CHECKS} checks at most")]
    TooMany(&'static str),
    /// Set-up has ended.
    #[error(
        "the check {0:?} was registered after set-up: register it in the function of `App::setup`"
    )]
    AfterSetup(&'static str),
}

/// A fake for a check that set-up has not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is a fake for the check {0:?}, and set-up registers no such check")]
pub(crate) struct FakeError(&'static str);

/// The checks of one service. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Checks {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    registered: Mutex<Registered>,
    runners: OnceLock<Vec<Arc<CheckRunner>>>,
}

#[derive(Default)]
struct Registered {
    checks: Vec<Check>,
    /// Functions that replace those of checks in tests, by the name of the check.
    fakes: Vec<(&'static str, CheckFn)>,
    is_closed: bool,
}

/// The parts of the service that checks use.
pub(crate) struct CheckContext<'a> {
    pub(crate) runtime: &'a runtime::Handle,
    pub(crate) lifecycle: &'a Arc<Lifecycle>,
    pub(crate) readiness: &'a Readiness,
    pub(crate) log: &'a Log,
    pub(crate) metrics: &'a CheckMetrics,
    /// Whether the service has a watchdog, which calls [`Checks::tick`].
    pub(crate) has_watchdog: bool,
}

impl Checks {
    pub(crate) fn with_fakes(fakes: Vec<(&'static str, CheckFn)>) -> Self {
        let checks = Self::default();
        lock(&checks.shared.registered).fakes = fakes;
        checks
    }

    /// Registers a check.
    pub(crate) fn register(&self, check: Check) -> Result<(), RegisterCheckError> {
        let mut registered = lock(&self.shared.registered);
        validate(&check, &registered)?;
        registered.checks.push(check);
        Ok(())
    }

    /// Ends the registration, and replaces checks by their fakes.
    pub(crate) fn close(&self) -> Result<(), FakeError> {
        let mut registered = lock(&self.shared.registered);
        registered.is_closed = true;
        let Registered { checks, fakes, .. } = &mut *registered;
        for (name, fake) in fakes.drain(..) {
            let check = checks.iter_mut().find(|check| check.name == name);
            check.ok_or(FakeError(name))?.run = fake;
        }
        Ok(())
    }

    /// Starts all checks. The future ends with the first results of the required ones, or after 2 s.
    pub(crate) fn start(
        &self,
        context: &CheckContext<'_>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let effects = Effects {
            lifecycle: Arc::clone(context.lifecycle),
            readiness: context.readiness.clone(),
            log: context.log.clone(),
        };
        let checks = std::mem::take(&mut lock(&self.shared.registered).checks);
        let cells = checks
            .iter()
            .map(|check| CheckCells::new(check.name, check.policy.as_str()));
        let cells = context.metrics.define(cells);
        let runners: Vec<_> = checks
            .into_iter()
            .zip(cells)
            .map(|(check, cells)| Arc::new(CheckRunner::new(check, effects.clone(), cells)))
            .collect();
        let mut first_results = Vec::new();
        for runner in &runners {
            let (sender, first_result) = oneshot::channel();
            context.runtime.spawn(Arc::clone(runner).run(sender));
            if runner.check().is_required {
                first_results.push(first_result);
            }
        }
        if !context.has_watchdog && !runners.is_empty() {
            let ending = effects.lifecycle.connections.reached(DrainStage::LameDuck);
            let checks = self.clone();
            context.runtime.spawn(async move {
                tokio::select! {
                    () = ending => {}
                    () = checks.tick_forever() => {}
                }
            });
        }
        // Only this call sets the runners.
        let _ = self.shared.runners.set(runners);
        let first_round = async move {
            for first_result in first_results {
                // The sender is dropped after the first run.
                let _ = first_result.await;
            }
        };
        async move {
            // The start goes on without the results that are still missing.
            let _ = timeout(FIRST_ROUND, first_round).await;
        }
    }

    /// Counts a tick of the watchdog. A check without a result for too long becomes stale.
    pub(crate) fn tick(&self) {
        for runner in self.runners() {
            runner.tick();
        }
    }

    async fn tick_forever(&self) {
        loop {
            let before = Instant::now();
            sleep(TICK).await;
            // After a SIGSTOP and SIGCONT no check is stale.
            if before.elapsed() < TICK * 2 {
                self.tick();
            }
        }
    }

    /// Returns the status of each check, for operators.
    pub(crate) fn views(&self) -> Vec<CheckView> {
        self.runners().iter().map(|runner| runner.view()).collect()
    }

    /// Returns the policy of the check with this name.
    pub(crate) fn policy(&self, name: &str) -> Option<&'static str> {
        let runner = self.find(name)?;
        Some(runner.check().policy.as_str())
    }

    /// Removes the hold of a check on readiness, or restores it.
    pub(crate) fn lift(&self, name: &str, is_lifted: bool) {
        if let Some(runner) = self.find(name) {
            runner.lift(is_lifted);
        }
    }

    fn find(&self, name: &str) -> Option<&Arc<CheckRunner>> {
        let mut runners = self.runners().iter();
        runners.find(|runner| runner.check().name == name)
    }

    /// Runs each check as often as it takes to change its state. For tests.
    #[cfg(feature = "testing")]
    pub(crate) async fn run_now(&self) {
        for runner in self.runners() {
            for _ in 0..super::track::FAILURES {
                runner.run_once().await;
            }
        }
    }

    fn runners(&self) -> &[Arc<CheckRunner>] {
        self.shared.runners.get().map_or(&[], Vec::as_slice)
    }
}

fn validate(check: &Check, registered: &Registered) -> Result<(), RegisterCheckError> {
    let name = check.name;
    if registered.is_closed {
        return Err(RegisterCheckError::AfterSetup(name));
    }
    if !component_name::is_valid(name) {
        return Err(RegisterCheckError::Name(name));
    }
    if registered.checks.iter().any(|other| other.name == name) {
        return Err(RegisterCheckError::Repeated(name));
    }
    if registered.checks.len() >= MAX_CHECKS {
        return Err(RegisterCheckError::TooMany(name));
    }
    if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&check.interval) {
        return Err(RegisterCheckError::Interval(name, check.interval));
    }
    if check.limit.is_zero() || check.limit >= check.interval {
        return Err(RegisterCheckError::Limit(name, check.limit));
    }
    if check.is_required && check.policy == CheckPolicy::Observe {
        return Err(RegisterCheckError::RequiredObserver(name));
    }
    Ok(())
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks")
            .field("registered", &lock(&self.shared.registered).checks)
            .field("runners", &self.runners())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    async fn pass() -> Result<(), Infallible> {
        Ok(())
    }

    /// HLT-1
    #[test]
    fn invalid_checks_are_rejected_with_their_cause() {
        let checks = Checks::default();
        let second = Duration::from_secs(1);
        let register = |check| checks.register(check).map_err(|error| error.to_string());
        let rejected = |check, cause: &str| {
            let error = register(check).unwrap_err();
            assert!(error.contains(cause), "{error}");
        };
        assert_eq!(register(Check::gate("db", pass)), Ok(()));
        rejected(Check::observe("db", pass), "two checks named \"db\"");
        rejected(Check::gate("No", pass), "\"No\" must be a letter");
        rejected(Check::gate("a", pass).every(second / 2), "1 s to 1 h");
        rejected(Check::gate("a", pass).every(3601 * second), "1 s to 1 h");
        rejected(Check::gate("a", pass).within(10 * second), "shorter than");
        rejected(Check::gate("a", pass).within(Duration::ZERO), "above 0");
        rejected(Check::observe("a", pass).required_at_start(), "`degrade`");
        let names: Vec<&'static str> = (1..MAX_CHECKS)
            .map(|number| &*Box::leak(format!("check_{number}").into_boxed_str()))
            .collect();
        for name in names {
            assert_eq!(register(Check::observe(name, pass)), Ok(()));
        }
        rejected(Check::gate("last", pass), "32 checks at most");
        assert_eq!(checks.close(), Ok(()));
        rejected(Check::gate("late", pass), "after set-up");
    }

    #[test]
    fn fake_of_an_unknown_check_is_an_error() {
        let fake: CheckFn = Arc::new(|| Box::pin(async { Ok(()) }));
        let checks = Checks::with_fakes(vec![("db", fake)]);
        assert_eq!(checks.close(), Err(FakeError("db")));
    }
}
