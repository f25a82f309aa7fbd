//! Background workers: supervised tasks that run beside the requests.
//!
//! If a run panics or returns, it is logged and counted, and the next run begins after a backoff. The
//! drain waits for a worker as it waits for a request in flight.
//!
//! Each run is a separate task, which contains a panic. The drain waits for the supervisor task. It
//! ends when the run has ended after the signal, or was cut off.

use std::{
    collections::BTreeSet,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime,
    time::{Instant, sleep},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    component_name,
    config::Level,
    lifecycle::{Backoff, DrainStage, Holder, Lifecycle, Readiness},
    metrics::Restarts,
    shutdown::ShutdownToken,
    sync::{Mutex, lock},
    telemetry::Log,
};

/// The longest delay before a restart.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// A run of this length resets the backoff.
const STABLE: Duration = Duration::from_secs(30);

type WorkerFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
type WorkerTask = Arc<dyn Fn(ShutdownToken) -> WorkerFuture + Send + Sync>;

/// A background worker that was registered by [`Handle::worker`](crate::Handle::worker).
#[derive(Debug)]
pub struct Worker {
    gates: Arc<AtomicBool>,
}

impl Worker {
    /// Makes `/ready` answer 503 from a failure of the worker until it runs again.
    ///
    /// For a worker that the instance cannot serve requests without. By default a failure does not
    /// change readiness.
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "the worker stays registered if its handle is dropped"
    )]
    pub fn gates_readiness(self) -> Self {
        self.gates.store(true, Ordering::Relaxed);
        self
    }
}

/// An invalid registration of background workers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error(
        "the background worker's name {0:?} must be a letter, then a–z, 0–9 or _, \
        and have {max} characters at most",
        max = component_name::MAX_LENGTH
    )]
    Name(&'static str),
    #[error("there are two background workers named {0:?}")]
    Repeated(&'static str),
}

/// The background workers of one service. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct BackgroundWorkers {
    registered: Arc<Mutex<RegisteredWorkers>>,
}

#[derive(Default)]
struct RegisteredWorkers {
    list: Vec<WorkerRegistration>,
    /// The names have been checked, and further registrations are rejected.
    is_closed: bool,
}

struct WorkerRegistration {
    name: &'static str,
    task: WorkerTask,
    gates: Arc<AtomicBool>,
}

/// The parts of the service that supervisors use.
pub(crate) struct Supervision<'a> {
    pub(crate) runtime: &'a runtime::Handle,
    pub(crate) lifecycle: &'a Arc<Lifecycle>,
    pub(crate) token: &'a ShutdownToken,
    pub(crate) readiness: &'a Readiness,
    pub(crate) restarts: &'a Restarts,
    pub(crate) log: &'a Log,
}

impl BackgroundWorkers {
    /// Registers a worker. After [`BackgroundWorkers::check`] it is rejected, and an ERROR is logged.
    pub(crate) fn register<F, Fut>(&self, name: &'static str, task: F, log: &Log) -> Worker
    where
        F: Fn(ShutdownToken) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let gates = Arc::new(AtomicBool::new(false));
        let mut registered = lock(&self.registered);
        if registered.is_closed {
            log.infra(Level::Error, "worker_task_rejected", |record| {
                record.str("worker", name);
                record.str("problem", "registered after the start");
            });
        } else {
            registered.list.push(WorkerRegistration {
                name,
                task: Arc::new(move |token| Box::pin(task(token))),
                gates: Arc::clone(&gates),
            });
        }
        Worker { gates }
    }

    /// Closes the registration and validates the names.
    pub(crate) fn check(&self) -> Result<(), WorkerError> {
        let mut names = BTreeSet::new();
        let mut registered = lock(&self.registered);
        registered.is_closed = true;
        for WorkerRegistration { name, .. } in &registered.list {
            if !component_name::is_valid(name) {
                return Err(WorkerError::Name(name));
            }
            if !names.insert(*name) {
                return Err(WorkerError::Repeated(name));
            }
        }
        Ok(())
    }

    /// Starts all workers. Their names have been checked before.
    pub(crate) fn start(&self, supervision: &Supervision<'_>) {
        let list = std::mem::take(&mut lock(&self.registered).list);
        let names = list.iter().map(|registration| registration.name);
        supervision.restarts.define(names);
        for (index, registration) in list.into_iter().enumerate() {
            let supervisor = Supervisor {
                index,
                registration,
                lifecycle: Arc::clone(supervision.lifecycle),
                token: supervision.token.clone(),
                readiness: supervision.readiness.clone(),
                restarts: supervision.restarts.clone(),
                log: supervision.log.clone(),
            };
            supervision
                .lifecycle
                .connections
                .spawn_on(supervisor.run(), supervision.runtime);
        }
    }
}

impl fmt::Debug for BackgroundWorkers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(lock(&self.registered).list.iter().map(|worker| worker.name))
            .finish()
    }
}

/// Runs and restarts one worker.
struct Supervisor {
    index: usize,
    registration: WorkerRegistration,
    lifecycle: Arc<Lifecycle>,
    token: ShutdownToken,
    readiness: Readiness,
    restarts: Restarts,
    log: Log,
}

impl Supervisor {
    async fn run(self) {
        let mut backoff = Backoff::new(MAX_DELAY);
        loop {
            let began = Instant::now();
            let Some(problem) = self.run_once().await else {
                return;
            };
            if began.elapsed() >= STABLE {
                backoff.reset();
            }
            let delay = backoff.next_delay();
            let name = self.registration.name;
            self.restarts.count(self.index);
            self.log
                .infra(Level::Warning, "worker_task_failed", |record| {
                    record.str("worker", name);
                    record.str("problem", problem);
                    record.number("restartMs", delay.as_millis());
                });
            let gates = self.registration.gates.load(Ordering::Relaxed);
            let holder = Holder::Worker(name);
            if gates {
                let reason = format!("background worker {name} has failed");
                self.readiness.hold(holder, &reason);
            }
            tokio::select! {
                biased;
                () = self.lifecycle.connections.reached(DrainStage::LameDuck) => return,
                () = sleep(delay) => {}
            }
            let reason = format!("background worker {name} runs again");
            self.readiness.release(holder, &reason);
        }
    }

    /// Runs the worker once. Returns how it failed, or `None` if the service shuts down.
    async fn run_once(&self) -> Option<&'static str> {
        let Lifecycle {
            connections, runs, ..
        } = &*self.lifecycle;
        let (task, token) = (Arc::clone(&self.registration.task), self.token.clone());
        runs.began();
        // The call is inside the task because it may panic, like the future that it returns.
        let mut run = AbortOnDropHandle::new(tokio::spawn(async move { task(token).await }));
        let ended = tokio::select! {
            biased;
            ended = &mut run => Some(ended),
            () = connections.reached(DrainStage::Cut) => None,
        };
        let Some(ended) = ended else {
            run.abort();
            // The run counts as running until it has been dropped. The error only reports the abort.
            let _ = run.await;
            runs.ended(false);
            return None;
        };
        let is_ending = connections.is_at(DrainStage::LameDuck);
        runs.ended(is_ending);
        match ended {
            // The panic hook logs a panic.
            _ if is_ending => None,
            Ok(()) => Some("returned"),
            Err(_) => Some("panicked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{
        config::{LogFormat, LogLevels},
        telemetry::{Output, Totals},
    };

    fn silent_log() -> Log {
        let levels = LogLevels::all(Level::Error);
        Log::start(Output::to(std::io::sink()), LogFormat::Json, levels, 1).unwrap()
    }

    #[test]
    fn worker_registered_after_check_is_rejected() {
        let log = silent_log();
        let workers = BackgroundWorkers::default();
        let task = |_| std::future::ready(());
        drop(workers.register("outbox", task, &log));
        assert_eq!(workers.check(), Ok(()));
        let before = log.totals();
        drop(workers.register("outbox", task, &log));
        drop(workers.register("Not a name", task, &log));
        assert_eq!(format!("{workers:?}"), "[\"outbox\"]");
        let errors = |totals: Totals| totals.by_level().find(|(level, _)| *level == "ERROR");
        let (before, after) = (errors(before).unwrap().1, errors(log.totals()).unwrap().1);
        assert_eq!(after - before, 2, "each is logged");
    }

    /// WRK-2
    #[tokio::test(start_paused = true)]
    async fn worker_restart_delay_doubles_to_30_s() {
        let lifecycle = Arc::new(Lifecycle::new());
        lifecycle.start();
        let log = silent_log();
        let begun = Arc::new(Mutex::new(Vec::new()));
        let workers = BackgroundWorkers::default();
        let times = Arc::clone(&begun);
        let task = move |_| {
            let mut times = times.lock().unwrap();
            times.push(Instant::now());
            // The twelfth run is long enough to reset the backoff.
            let lasts = if times.len() == 12 {
                STABLE
            } else {
                Duration::ZERO
            };
            sleep(lasts)
        };
        drop(workers.register("outbox", task, &log));
        assert_eq!(workers.check(), Ok(()));
        workers.start(&Supervision {
            runtime: &runtime::Handle::current(),
            lifecycle: &lifecycle,
            token: &ShutdownToken::new(Arc::clone(&lifecycle.connections), STABLE),
            readiness: &Readiness::new(Arc::clone(&lifecycle), log.clone()),
            restarts: &Restarts::default(),
            log: &log,
        });
        while begun.lock().unwrap().len() < 14 {
            sleep(Duration::from_secs(1)).await;
        }
        let begun = begun.lock().unwrap();
        let gaps: Vec<_> = begun
            .windows(2)
            .map(|it| (it[1] - it[0]).as_millis())
            .collect();
        let doubling = [
            100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000,
        ];
        // The timer has a resolution of a millisecond.
        let near = |gap: u128, expected: u128| (expected..=expected + 2).contains(&gap);
        assert!(
            doubling.iter().zip(&gaps).all(|(it, gap)| near(*gap, *it)),
            "{gaps:?}"
        );
        assert!(
            near(gaps[11], 30_100),
            "a long run resets the delay: {gaps:?}"
        );
    }
}
