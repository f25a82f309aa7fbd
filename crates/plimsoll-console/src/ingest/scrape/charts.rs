//! The facade: what is observed, and what is learned from scrapes, probes and records.

use std::{
    collections::BTreeMap,
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{SystemTime, UNIX_EPOCH},
};

use plimsoll_scrape::{InvalidTarget, Source, Target};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Candidates, Fetch,
    life::{Life, Probe},
    probe::{Address, Outcome},
    reading::state_of,
    state::{Observed, Pace, Task},
};
use crate::store::{
    Access, Infra, Observer, ServiceId, Store,
    heat::Heat,
    series::{Chart, History, second_of},
};

/// The part of the memory for series that numbers have; counts by latency have the rest.
const HISTORY_PART: usize = 3;

/// The consecutive probes with status 200 after which a restart is complete.
const READY_PROBES: u32 = 10;

/// The time without a change after which a shutdown is not observed any more, and that after an exit:
/// a restart begins sooner, but can take minutes of compilation.
const SETTLED: f64 = 600.0;
const SETTLED_EXIT: f64 = 5.0;

/// The shortest time between two scrapes that are compared.
const MIN_DISTANCE: f64 = 0.9;

/// The charts of all services.
///
/// It must be created and used for [`observe`](Self::observe) within a tokio runtime.
#[derive(Debug, Clone)]
pub(crate) struct Charts {
    pub(super) shared: Arc<Shared>,
}

/// What the charts and their tasks share. Tasks have weak references, so that they end with the charts.
pub(crate) struct Shared {
    pub(super) store: Arc<Store>,
    pub(super) heat: Arc<Heat>,
    clock: Clock,
    start: Instant,
    inner: Mutex<Inner>,
}

/// Returns the time in seconds since the epoch. Tests have one that follows the paused time.
pub(super) type Clock = Box<dyn Fn() -> f64 + Send + Sync>;

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) history: History,
    pub(super) services: BTreeMap<ServiceId, Observed>,
}

impl Charts {
    /// Creates charts without a service.
    ///
    /// [`observer`](Self::observer) must be given to the store.
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self::with_clock(store, Box::new(|| unix(SystemTime::now())))
    }

    pub(super) fn with_clock(store: Arc<Store>, clock: Clock) -> Self {
        let budget = store.series_budget();
        let history = budget / HISTORY_PART;
        let inner = Inner {
            history: History::new(history),
            services: BTreeMap::new(),
        };
        let shared = Shared {
            store,
            heat: Arc::new(Heat::new(budget - history)),
            clock,
            start: Instant::now(),
            inner: Mutex::new(inner),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Returns what reads access records and those of the life cycle; see [`Store::observe`].
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(Recorder {
            heat: Arc::clone(&self.shared.heat),
            // The store would keep the charts alive, and they keep the store.
            charts: Arc::downgrade(&self.shared),
        })
    }

    /// Scrapes a service from now on, in place of an earlier target of it.
    ///
    /// `metrics` is a target as of `plimsoll top`: `http://HOST:PORT`, `HOST:PORT`, the id of a
    /// process or `unix:PATH`. `ready` is the address of the clients, for probes during a restart;
    /// without it, it is that of `metrics`. If `metrics` has none, they are looked for there, too:
    /// the process of a wrapper listens on no socket.
    pub(crate) fn observe(
        &self,
        service: &str,
        metrics: &str,
        ready: Option<&str>,
    ) -> Result<(), InvalidTarget> {
        let target: Target = metrics.parse()?;
        let clients: Option<Target> = ready.map(str::parse).transpose()?;
        let address = Address::of(clients.as_ref().unwrap_or(&target));
        let clients = clients.filter(|clients| *clients != target);
        let targets = iter::once(target).chain(clients);
        let candidates = Candidates {
            sources: targets.map(Source::new).collect(),
            found: None,
            has_no_metrics: false,
        };
        self.spawn(service, candidates, address);
        Ok(())
    }

    pub(super) fn spawn(&self, service: &str, source: impl Fetch, address: Option<Address>) {
        let id = self.shared.store.service(service);
        let mut inner = self.shared.lock();
        let it = inner.services.entry(id).or_insert_with(Observed::new);
        it.address = address.or_else(|| it.address.take());
        let charts = Arc::downgrade(&self.shared);
        if it.prober.as_ref().is_none_or(Task::is_finished) {
            let probes = super::probe(charts.clone(), id, it.pace.subscribe());
            it.prober = Some(Task::new(tokio::spawn(probes).abort_handle()));
        }
        let scrapes = super::scrape(charts, id, source, it.pace.subscribe());
        it.scraper = Some(Task::new(tokio::spawn(scrapes).abort_handle()));
    }

    /// Ends the scrapes of a process that has ended. A shutdown is observed further.
    pub(crate) fn ended(&self, service: &str) {
        let id = self.shared.store.service(service);
        let now = self.shared.now();
        let mut inner = self.shared.lock();
        if let Some(it) = inner.services.get_mut(&id) {
            it.scraper = None;
            inner.history.fail(id, now, "the process has ended");
        }
    }

    /// Notes that a shutdown of the service begins. Probes begin, and end when it is ready again.
    pub(crate) fn stopping(&self, service: &str) {
        let id = self.shared.store.service(service);
        self.shared.shut_down(id);
    }
}

/// Gives records to the charts.
#[derive(Debug)]
struct Recorder {
    heat: Arc<Heat>,
    charts: Weak<Shared>,
}

impl Observer for Recorder {
    fn access(&self, access: &Access<'_>) {
        self.heat.record(access);
    }

    fn infra(&self, infra: &Infra<'_>) {
        if let Some(charts) = self.charts.upgrade() {
            charts.infra(infra);
        }
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Numbers stay consistent enough to be shown after a panic elsewhere.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> f64 {
        (self.clock)()
    }

    pub(super) fn address(&self, service: ServiceId) -> Option<Address> {
        self.lock().services.get(&service)?.address.clone()
    }

    /// Adds the result of a scrape.
    pub(super) fn scraped(&self, service: ServiceId, scrape: Result<String, String>) {
        let now = self.now();
        let runs = self.runs(service);
        let mut inner = self.lock();
        let Inner { history, services } = &mut *inner;
        let Some(it) = services.get_mut(&service) else {
            return;
        };
        it.know_runs(&runs, now);
        let text = match scrape {
            Ok(text) => text,
            Err(cause) => {
                history.fail(service, now, &format!("scrape failed: {cause}"));
                return;
            }
        };
        if it
            .numbers_at
            .is_some_and(|at| (0.0..MIN_DISTANCE).contains(&(now - at)))
        {
            it.know_state(state_of(&text).as_deref(), now);
            return;
        }
        let numbers = match it.instance.observe(self.start.elapsed(), &text) {
            Ok(numbers) => numbers,
            Err(error) => {
                history.fail(service, now, &format!("scrape failed: {error}"));
                return;
            }
        };
        it.numbers_at = Some(now);
        let restarted = numbers.restarted.map(|started| started.unwrap_or(now));
        if runs.is_empty() && (restarted.is_some() || it.lives.latest().is_none()) {
            it.begin_run(now);
        }
        let state = it.instance.state().map(str::to_owned);
        it.know_state(state.as_deref(), now);
        history.succeed(service, now, restarted);
        let second = second_of(now);
        if numbers.lost {
            history.lose(service, second);
        }
        for chart in Chart::ALL {
            let (value, is_bound) = numbers.value(chart);
            if is_bound {
                it.above = value;
            }
            #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough")]
            history.push(service, chart, second, value.map(|value| value as f32));
        }
    }

    /// Adds the result of a probe. Returns whether the shutdown and the restart are over.
    pub(super) fn probed(
        &self,
        service: ServiceId,
        at: f64,
        probe: Option<(Option<u16>, Outcome)>,
    ) -> bool {
        let now = self.now();
        let runs = self.runs(service);
        let mut inner = self.lock();
        let Some(it) = inner.services.get_mut(&service) else {
            return true;
        };
        it.know_runs(&runs, now);
        let is_ready = matches!(probe, Some((Some(200), _)));
        if let (Some((status, result)), Some(run)) = (probe, it.shutdown_run) {
            it.lives.probe(run, Probe { at, status, result });
        }
        it.ready_probes = if is_ready { it.ready_probes + 1 } else { 0 };
        let is_another_run = it.lives.latest().map(|life| life.run) != it.shutdown_run;
        it.was_away |= is_another_run || probe.is_some() && !is_ready;
        let is_back = it.was_away && it.ready_probes >= READY_PROBES;
        let exited = it.lives.latest().and_then(Life::exited);
        let is_away = exited.is_some_and(|at| now - at.max(it.changed) > SETTLED_EXIT);
        let is_over = is_back || is_away || now - it.changed > SETTLED;
        if is_over {
            it.set_pace(Pace::Usual);
        }
        is_over
    }

    fn shut_down(&self, service: ServiceId) {
        let now = self.now();
        let mut inner = self.lock();
        let it = inner.services.entry(service).or_insert_with(Observed::new);
        it.shut_down(now);
    }

    fn infra(&self, infra: &Infra<'_>) {
        const MESSAGES: [&str; 4] = [
            "infra_app_ready",
            "readiness_changed",
            "shutdown_started",
            "shutdown_complete",
        ];
        if !MESSAGES.contains(&infra.message) {
            return;
        }
        let fields: Map<String, Value> = serde_json::from_str(infra.line).unwrap_or_default();
        let runs = self.runs(infra.service);
        let now = self.now();
        let mut inner = self.lock();
        let it = inner
            .services
            .entry(infra.service)
            .or_insert_with(Observed::new);
        it.know_runs(&runs, now);
        if it.lives.latest().is_none() {
            it.begin_run(now);
        }
        // Without runs in the store, the record is of the run that was found by the scrapes.
        let latest = it.lives.latest().map_or(infra.run, |life| life.run);
        let run = if runs.is_empty() { latest } else { infra.run };
        let at = infra.time as f64 / 1000.0;
        it.lives.record(run, at, infra.message, &fields);
        it.changed = now;
        if infra.message == "shutdown_started" {
            it.shut_down(now);
        }
    }

    /// Returns the runs of a service that the store knows.
    pub(super) fn runs(&self, service: ServiceId) -> Vec<KnownRun> {
        let Some(name) = self.store.name(service) else {
            return Vec::new();
        };
        let state = self.store.state();
        let service = state.services.into_iter().find(|it| it.name == name);
        let runs = service.map(|it| it.runs).unwrap_or_default();
        runs.into_iter()
            .map(|run| KnownRun {
                run: run.run,
                began: unix(run.began),
                ended: run.ended.map(unix),
            })
            .collect()
    }
}

/// A run that the store knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KnownRun {
    pub(super) run: u32,
    pub(super) began: f64,
    pub(super) ended: Option<f64>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("Shared");
        f.field("inner", &self.inner).finish_non_exhaustive()
    }
}

fn unix(time: SystemTime) -> f64 {
    // Times before the epoch are not known better than as its start.
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64()
}
