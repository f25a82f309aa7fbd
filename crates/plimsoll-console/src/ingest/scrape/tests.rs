//! Charts of scripted scrapes with paused time, and of a small server in this process.

mod server;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use tokio::time::{sleep, timeout};

use self::server::{Responses, Server};
use super::{
    answers::{SeriesAnswer, ValueSource},
    probe::Outcome,
    *,
};
use crate::store::{Access, Infra, Run, Store};

/// The time at which a test begins.
const START: f64 = 1_700_000_000.0;

/// A scripted target.
#[derive(Debug, Clone)]
struct Script(Arc<Mutex<Result<String, String>>>);

impl Script {
    fn new(text: &str) -> Self {
        Self(Arc::new(Mutex::new(Ok(text.to_owned()))))
    }

    fn set(&self, scrape: Result<&str, &str>) {
        let scrape = scrape.map(str::to_owned).map_err(str::to_owned);
        *self.0.lock().unwrap() = scrape;
    }
}

impl Fetch for Script {
    async fn fetch(&mut self) -> Result<String, String> {
        self.0.lock().unwrap().clone()
    }

    fn has_no_metrics(&self) -> bool {
        false
    }
}

/// Charts with a clock that follows the paused time, and with the service `a`.
fn charts() -> (Arc<Store>, Charts) {
    let store = Arc::new(Store::new(1 << 20));
    store.service("a");
    let start = Instant::now();
    let clock = move || START + start.elapsed().as_secs_f64();
    let charts = Charts::with_clock(Arc::clone(&store), Box::new(clock));
    (store, charts)
}

async fn seconds(count: u64) {
    // The tasks run while the paused time advances to the end of the sleep.
    sleep(Duration::from_secs(count)).await;
}

fn series(charts: &Charts, name: &str) -> SeriesAnswer {
    let query = SeriesQuery {
        service: "a".to_owned(),
        name: name.to_owned(),
        from: Some(START),
        ..SeriesQuery::default()
    };
    charts.series(&query).unwrap()
}

fn scrape(requests: u64, started: u64) -> String {
    format!(
        "process_start_time_seconds {started}\nhttp_requests_in_flight 2\n\
         http_requests_total{{method=\"GET\",path=\"/a\",status=\"200\"}} {requests}\n"
    )
}

#[tokio::test(start_paused = true)]
async fn charts_have_points_source_and_names() {
    let (_, charts) = charts();
    let script = Script::new(&scrape(10, 5));
    charts.spawn("a", script.clone(), None);
    sleep(Duration::from_millis(500)).await;
    script.set(Ok(&scrape(25, 5)));
    seconds(3).await;
    let rate = series(&charts, "rate");
    assert_eq!(rate.points, [None, Some(15.0), Some(0.0)]);
    assert_eq!(
        (rate.unit, rate.source),
        ("1/s", Some(ValueSource::Scraped))
    );
    assert_eq!(rate.looked_for[0], "http_requests_total");
    assert_eq!(rate.bands, []);
    assert_eq!(series(&charts, "inFlight").points, [Some(2.0); 3]);
    let memory = series(&charts, "memory");
    assert_eq!((memory.points, memory.source), (vec![None; 3], None));
    let samples = charts.samples();
    assert_eq!(samples["a"].rate, Some(0.0));
    assert_eq!(
        (samples["a"].in_flight, samples["a"].p99),
        (Some(2.0), None)
    );
}

#[tokio::test(start_paused = true)]
async fn failed_scrape_is_a_gap_with_its_cause() {
    let (_, charts) = charts();
    let script = Script::new(&scrape(10, 5));
    charts.spawn("a", script.clone(), None);
    sleep(Duration::from_millis(1_500)).await;
    script.set(Err("cannot connect: refused"));
    seconds(4).await;
    let sample = charts.samples()["a"];
    assert_eq!((sample.rate, sample.in_flight), (None, None));
    script.set(Ok(&scrape(90, 5)));
    seconds(3).await;
    let in_flight = series(&charts, "inFlight");
    let expected = [
        Some(2.0),
        Some(2.0),
        None,
        None,
        None,
        None,
        Some(2.0),
        Some(2.0),
    ];
    assert_eq!(in_flight.points, expected);
    let band = &in_flight.bands[0];
    assert_eq!(band.cause, "scrape failed: cannot connect: refused");
    assert_eq!((band.from, band.to), (START + 1.0, START + 6.0));
    let rate = series(&charts, "rate");
    // The first rate after the gap would be that of five seconds.
    assert_eq!(rate.points[2..6], [None; 4]);
    assert_eq!(rate.points[7], Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn restart_is_a_band_and_no_negative_rate() {
    let (_, charts) = charts();
    let script = Script::new(&scrape(1_000, 5));
    charts.spawn("a", script.clone(), None);
    sleep(Duration::from_millis(2_500)).await;
    script.set(Ok(&scrape(3, 1_700_000_002)));
    seconds(3).await;
    let rate = series(&charts, "rate");
    assert_eq!(rate.points, [None, Some(0.0), Some(0.0), None, Some(0.0)]);
    let causes: Vec<_> = rate.bands.iter().map(|band| band.cause.as_str()).collect();
    assert_eq!(causes, ["restart"]);
    let life = charts.lifecycle("a").unwrap();
    assert_eq!(life.run, Some(2));
    assert_eq!(life.previous.unwrap().run, 1);
}

#[tokio::test(start_paused = true)]
async fn absent_value_never_becomes_zero() {
    let (_, charts) = charts();
    charts.spawn("a", Script::new("something_else 1\n"), None);
    seconds(30).await;
    for chart in crate::store::series::Chart::ALL {
        let answer = series(&charts, chart.name());
        assert!(answer.points.iter().all(Option::is_none), "{answer:?}");
        assert_eq!(answer.source, None);
        assert!(!answer.looked_for.is_empty());
    }
    let sample = serde_json::to_string(&charts.samples()).unwrap();
    assert_eq!(
        sample,
        "{\"a\":{\"rate\":null,\"errors\":null,\"p50\":null,\"p99\":null,\"inFlight\":null}}"
    );
    assert_eq!(charts.routes("a").unwrap().source, None);
    let heat = charts.heat(&HeatQuery {
        service: "a".to_owned(),
        ..HeatQuery::default()
    });
    let heat = heat.unwrap();
    assert_eq!((heat.source, heat.exact, heat.records), (None, false, 0));
}

#[tokio::test(start_paused = true)]
async fn charts_without_metrics_are_from_records() {
    let (store, charts) = charts();
    seconds(20).await;
    for number in 0..40_u16 {
        charts.observer().access(&Access {
            service: store.service("a"),
            run: 1,
            time: 1_700_000_010_000 + i64::from(number) * 100,
            ms: Some(10.0),
            status: Some(if number == 0 { 500 } else { 200 }),
            method: Some("GET"),
            route: Some("/a"),
        });
    }
    let rate = series(&charts, "rate");
    assert_eq!(rate.source, Some(ValueSource::Records));
    assert_eq!(
        rate.points[9..15],
        [
            None,
            Some(10.0),
            Some(10.0),
            Some(10.0),
            Some(10.0),
            Some(0.0)
        ]
    );
    assert_eq!(
        series(&charts, "errors").points[10..12],
        [Some(10.0), Some(0.0)]
    );
    let p50 = series(&charts, "p50");
    assert_eq!((p50.window, p50.few_below), (Some(10), Some(20)));
    assert_eq!(p50.points[10], None, "ten requests are too few");
    assert!(
        p50.points[11].is_some_and(|ms| (8.0..=12.0).contains(&ms)),
        "{p50:?}"
    );
    let heat = HeatQuery {
        service: "a".to_owned(),
        ..HeatQuery::default()
    };
    let heat = charts.heat(&heat).unwrap();
    assert_eq!(
        (heat.records, heat.exact, heat.bounds.len()),
        (40, true, 60)
    );
    assert_eq!(charts.routes("a").unwrap().items[0].count, 40);
}

#[tokio::test(start_paused = true)]
async fn unknown_names_are_errors() {
    let (store, charts) = charts();
    let query = SeriesQuery {
        service: "b".to_owned(),
        ..SeriesQuery::default()
    };
    let error = charts.series(&query).unwrap_err();
    assert_eq!(error, ChartError::UnknownService("b".to_owned()));
    assert_eq!(store.state().services.len(), 1, "a query makes no service");
    let query = SeriesQuery {
        service: "a".to_owned(),
        name: "x".to_owned(),
        ..SeriesQuery::default()
    };
    let error = charts.series(&query).unwrap_err().to_string();
    assert!(error.contains("rate, errors, p50"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn state_is_read_every_100_ms_during_a_shutdown() {
    let (store, charts) = charts();
    let state = |state: &str| format!("service_state{{state=\"{state}\"}} 1\n");
    let script = Script::new(&state("ready"));
    charts.spawn("a", script.clone(), None);
    sleep(Duration::from_millis(1_050)).await;
    charts.stopping("a");
    script.set(Ok(&state("lame_duck")));
    sleep(Duration::from_millis(300)).await;
    script.set(Ok(&state("draining")));
    sleep(Duration::from_millis(300)).await;
    let life = charts.lifecycle("a").unwrap();
    let began = |state: &str| {
        life.phases
            .iter()
            .find(|it| it.state == state)
            .unwrap()
            .began
    };
    let drain = began("draining") - began("lame_duck");
    assert!((0.2..0.5).contains(&drain), "{life:?}");
    assert_eq!(
        life.refused, None,
        "no address is known, so nothing was probed"
    );
    assert_eq!(store.latest(), 0);
}

#[tokio::test(start_paused = true)]
async fn records_of_a_shutdown_have_its_counts() {
    let (store, charts) = charts();
    let id = store.service("a");
    let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let run = store.begin_run(
        id,
        Run {
            pid: Some(1),
            began,
        },
    );
    let observer = charts.observer();
    let record = |ms: i64, message: &str, line: &str| {
        let time = 1_700_000_000_000 + ms;
        observer.infra(&Infra {
            service: id,
            run,
            time,
            message,
            line,
        });
    };
    record(1_200, "infra_app_ready", "{}");
    record(5_000, "shutdown_started", "{\"requestsInFlight\":3}");
    let line = r#"{"requestsFinished":3,"requestsCutOff":0,"lameDuckMs":0,"drainMs":400}"#;
    record(5_450, "shutdown_complete", line);
    record(5_460, "another", "{}");
    let life = charts.lifecycle("a").unwrap();
    assert_eq!(
        (life.in_flight_at_drain, life.answered, life.cut_off),
        (Some(3), Some(3), Some(0))
    );
    let states: Vec<_> = life.phases.iter().map(|it| it.state).collect();
    assert_eq!(states, ["starting", "ready", "draining", "flushing"]);
    let text = serde_json::to_value(&life).unwrap();
    assert_eq!(text["inFlightAtDrain"], 3);
    assert_eq!(text["refused"], serde_json::Value::Null);
}

/// Waits until a condition holds.
async fn eventually(mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), wait)
        .await
        .expect("within 30 s");
}

#[tokio::test]
async fn server_is_scraped_and_probed_across_a_restart() {
    let store = Arc::new(Store::new(1 << 20));
    let charts = Charts::new(Arc::clone(&store));
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let responses = |ready: u16| Responses {
        metrics: scrape(10, 5),
        ready,
    };
    let server = Server::start(any, responses(200)).await;
    charts
        .observe("a", "8388608", Some(&server.address.to_string()))
        .unwrap();
    eventually(|| charts.samples()["a"].in_flight == Some(2.0)).await;

    charts.stopping("a");
    let has = |status: Option<u16>, result: Outcome| {
        let probes = charts.lifecycle("a").unwrap().probes;
        probes
            .iter()
            .any(|it| it.status == status && it.result == result)
    };
    eventually(|| has(Some(200), Outcome::Answered)).await;
    server.set(|it| it.ready = 503);
    eventually(|| has(Some(503), Outcome::Answered)).await;
    server.set(|it| it.ready = 0);
    eventually(|| has(None, Outcome::CutOff)).await;
    let address = server.stop().await;
    eventually(|| has(None, Outcome::Refused)).await;
    let server = Server::start(address, responses(200)).await;
    eventually(|| {
        let probes = charts.lifecycle("a").unwrap().probes;
        probes
            .iter()
            .rev()
            .take_while(|it| it.status == Some(200))
            .count()
            >= 10
    })
    .await;
    let life = charts.lifecycle("a").unwrap();
    assert!(
        life.refused.unwrap() >= 1 && life.refused_ms.unwrap() > 0.0,
        "{life:?}"
    );

    server.set(|it| it.metrics = "<html>".to_owned());
    let rate = SeriesQuery {
        service: "a".to_owned(),
        name: "rate".to_owned(),
        ..SeriesQuery::default()
    };
    eventually(|| {
        let bands = charts.series(&rate).unwrap().bands;
        bands
            .iter()
            .any(|it| it.cause == "scrape failed: the response has no metrics")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn service_without_metrics_is_asked_less_often() {
    struct NotFound(Arc<AtomicU64>);
    impl Fetch for NotFound {
        async fn fetch(&mut self) -> Result<String, String> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err("status 404 in place of metrics".to_owned())
        }
        fn has_no_metrics(&self) -> bool {
            true
        }
    }
    let (_store, charts) = charts();
    let asked = Arc::new(AtomicU64::new(0));
    charts.spawn("a", NotFound(Arc::clone(&asked)), None);
    seconds(40).await;
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}
