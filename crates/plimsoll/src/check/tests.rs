//! Tests of the check loop in paused time.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    fmt,
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime,
    time::{Instant, sleep, timeout},
};

use super::{Check, CheckContext, Checks, Dependency};
use crate::{
    config::{Level, LogFormat, LogLevels},
    lifecycle::{DrainStage, Lifecycle, Readiness},
    metrics::CheckMetrics,
    sync::{Mutex, lock},
    telemetry::{Log, Output},
};

/// The parts of a service around its checks.
struct Service {
    checks: Checks,
    lifecycle: Arc<Lifecycle>,
    readiness: Readiness,
    log: Log,
    metrics: CheckMetrics,
}

impl Service {
    fn new(checks: impl IntoIterator<Item = Check>) -> Self {
        let levels = LogLevels::all(Level::Info);
        let output = Output::to(io::sink());
        let log = Log::start(output, LogFormat::Json, levels, 1).expect("it starts");
        let lifecycle = Arc::new(Lifecycle::new());
        let service = Self {
            checks: Checks::default(),
            readiness: Readiness::new(Arc::clone(&lifecycle), log.clone()),
            lifecycle,
            log,
            metrics: CheckMetrics::default(),
        };
        for check in checks {
            service.checks.register(check).expect("it is valid");
        }
        service.checks.close().expect("there are no fakes");
        service
    }

    /// Starts the checks and then the service. Returns how long the first round took.
    async fn start(&self) -> Duration {
        let began = Instant::now();
        let context = CheckContext {
            runtime: &runtime::Handle::current(),
            lifecycle: &self.lifecycle,
            readiness: &self.readiness,
            log: &self.log,
            metrics: &self.metrics,
            has_watchdog: false,
        };
        self.checks.start(&context).await;
        assert!(self.lifecycle.start());
        began.elapsed()
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// HLT-6
#[tokio::test(start_paused = true)]
async fn first_round_ends_with_its_results_or_after_two_seconds() {
    let up = Service::new([Check::gate("up", || async { Ok::<_, Infallible>(()) })]);
    assert_eq!(up.start().await, Duration::ZERO);
    assert!(up.readiness.is_ready());

    let hang = || pending::<Result<(), Infallible>>();
    let hanging = Service::new([Check::gate("hangs", hang).within(seconds(9))]);
    let took = hanging.start().await;
    assert!(took >= seconds(2) && took < seconds(3), "{took:?}");
    assert!(!hanging.readiness.is_ready());
}

/// HLT-6
#[tokio::test(start_paused = true)]
async fn failed_required_check_is_tried_again_within_two_seconds() {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let times = Arc::clone(&starts);
    let check = move || {
        lock(&times).push(Instant::now());
        async { Err::<(), _>("refused") }
    };
    let service = Service::new([Check::gate("db", check).every(seconds(60))]);
    service.start().await;
    sleep(seconds(20)).await;
    let starts = lock(&starts);
    let gaps: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        gaps.iter()
            .all(|gap| *gap <= seconds(2) + Duration::from_millis(5)),
        "{gaps:?}"
    );
    assert!(gaps[0] < Duration::from_millis(150), "{gaps:?}");
}

/// HLT-7
#[tokio::test(start_paused = true)]
async fn hanging_run_is_dropped_at_its_limit_and_runs_never_overlap() {
    struct Open(Arc<AtomicU32>);
    impl Drop for Open {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let open = Arc::new(AtomicU32::new(0));
    let runs = Arc::new(AtomicU32::new(0));
    let (count, total) = (Arc::clone(&open), Arc::clone(&runs));
    let check = move || {
        total.fetch_add(1, Ordering::Relaxed);
        assert_eq!(count.fetch_add(1, Ordering::Relaxed), 0, "two runs at once");
        let open = Open(Arc::clone(&count));
        async move {
            let _open = open;
            pending::<Result<(), Infallible>>().await
        }
    };
    let service = Service::new([Check::degrade("db", check)]);
    service.start().await;
    sleep(seconds(95)).await;
    let runs = runs.load(Ordering::Relaxed);
    assert!((7..=10).contains(&runs), "{runs}");
    assert!(open.load(Ordering::Relaxed) <= 1);
    // After the signal a run in progress is dropped.
    service
        .lifecycle
        .connections
        .enter_stage(DrainStage::LameDuck);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(open.load(Ordering::Relaxed), 0);
}

/// HLT-7
#[tokio::test(start_paused = true)]
async fn error_whose_text_panics_is_a_failure_of_its_run() {
    #[derive(Debug)]
    struct Silent;
    impl fmt::Display for Silent {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("the error has no text");
        }
    }
    impl std::error::Error for Silent {}
    let runs = Arc::new(AtomicU32::new(0));
    let total = Arc::clone(&runs);
    let check = move || {
        total.fetch_add(1, Ordering::Relaxed);
        async { Err::<(), _>(Silent) }
    };
    let service = Service::new([Check::degrade("db", check)]);
    service.start().await;
    sleep(seconds(95)).await;
    let runs = runs.load(Ordering::Relaxed);
    assert!((7..=11).contains(&runs), "{runs}");
}

/// HLT-3
#[tokio::test(start_paused = true)]
async fn twenty_instances_spread_their_checks() {
    let began = Instant::now();
    let starts = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..20 {
        let times = Arc::clone(&starts);
        let check = move || {
            lock(&times).push(began.elapsed());
            async { Ok::<_, Infallible>(()) }
        };
        Service::new([Check::degrade("db", check)]).start().await;
    }
    sleep(seconds(60)).await;
    let starts = lock(&starts);
    assert!((100..=140).contains(&starts.len()), "{}", starts.len());
    // Of the first ten seconds, most have a start.
    let first = starts.iter().filter(|start| **start < seconds(10));
    let buckets: BTreeSet<_> = first.map(Duration::as_secs).collect();
    assert!(buckets.len() >= 5, "{buckets:?}");
}

/// HLT-4: without a watchdog, a task counts the ticks.
#[tokio::test(start_paused = true)]
async fn run_that_never_ends_makes_its_check_stale() {
    let service = Service::new([Check::gate("db", || async { Ok::<_, Infallible>(()) })]);
    service.start().await;
    assert!(service.readiness.is_ready());
    // 32 s without a result, in ticks.
    for _ in 0..64 {
        service.checks.tick();
    }
    assert!(
        service.readiness.is_ready(),
        "three intervals and one limit"
    );
    service.checks.tick();
    assert!(!service.readiness.is_ready());
    let back = timeout(seconds(30), async {
        while !service.readiness.is_ready() {
            sleep(seconds(1)).await;
        }
    });
    assert!(back.await.is_ok());
}

/// HLT-4, HLT-9
#[tokio::test(start_paused = true)]
async fn concurrent_observers_log_each_change_once() {
    let dependency = Dependency::up();
    let run = dependency.check();
    let service = Service::new([Check::gate("db", move || run())]);
    service.start().await;
    let infos = || {
        let totals = service.log.totals();
        let count = |name| {
            totals
                .by_level()
                .find(|(level, _)| *level == name)
                .unwrap()
                .1
        };
        (count("INFO"), count("WARNING"))
    };
    let before = infos();
    for _ in 0..10 {
        dependency.fails("gone");
        tokio::join!(service.checks.run_now(), service.checks.run_now());
        dependency.recovers();
        tokio::join!(service.checks.run_now(), service.checks.run_now());
        // Beyond the ten minutes in which three downs are flapping.
        sleep(seconds(600)).await;
    }
    let after = infos();
    // Of each change, `check_changed` and `readiness_changed`.
    assert_eq!((after.0 - before.0, after.1 - before.1), (20, 20));
}
