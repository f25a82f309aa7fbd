//! Services in the process of a test: instances, routes and metrics.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use harness::{LogBuffer, eventually};
use http_body_util::BodyExt as _;
use plimsoll::config::Environment;
use plimsoll::telemetry::Output;
use plimsoll::testing::TestService;
use plimsoll::{App, Handle, SetupError, build_info};
use serde_json::Value;
use tower::ServiceExt as _;

use super::{router, unix_socket};

#[tokio::test]
async fn services_in_one_process_have_separate_logs_and_metrics() {
    let one = TestService::start(App::new(build_info!()).router(router()), &[]).await;
    let two = TestService::start(App::new(build_info!()).router(router()), &[]).await;
    assert_eq!(one.get("/hello").await.body(), "hello\n");
    assert_eq!(one.records_with("http_request").len(), 1);
    assert_eq!(two.records_with("http_request").len(), 0);
    assert_eq!(
        one.metrics()
            .await
            .sum("http_requests_total", &[("path", "/hello")]),
        1.0
    );
    assert_eq!(
        two.metrics()
            .await
            .sum("http_requests_total", &[("path", "/hello")]),
        0.0
    );
    one.shutdown().await;
    assert_eq!(
        two.get("/hello").await.status(),
        StatusCode::OK,
        "the other one lives on"
    );
}

/// LIFE-7
#[tokio::test]
async fn embedded_service_sends_no_notifications() {
    let path = std::env::temp_dir().join(format!("plimsoll-embedded-{}", std::process::id()));
    let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    manager.set_nonblocking(true).unwrap();
    let env = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "20000"),
    ];
    let test = TestService::start(App::new(build_info!()).router(router()), &env).await;
    assert_eq!(test.get("/hello").await.body(), "hello\n");
    test.shutdown().await;
    let error = manager.recv(&mut [0; 100]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn routes_of_builder_and_setup_are_served() {
    let service = App::new(build_info!())
        .router(router())
        .setup(|_: Handle| async {
            let router = Router::new().route("/late", get(|| async { "late\n" }));
            Ok::<_, SetupError>(router)
        });
    let test = TestService::start(service, &[]).await;
    assert_eq!(test.get("/hello").await.body(), "hello\n");
    assert_eq!(test.get("/late").await.body(), "late\n");
}

#[tokio::test]
async fn own_fallback_is_kept_and_counted_as_unmatched() {
    let router = router().fallback(|| async { (StatusCode::IM_A_TEAPOT, "mine\n") });
    let test = TestService::start(App::new(build_info!()).router(router), &[]).await;
    let answer = test.get("/nowhere").await;
    assert_eq!(
        (answer.status(), &answer.body()[..]),
        (StatusCode::IM_A_TEAPOT, &b"mine\n"[..])
    );
    assert_eq!(
        test.records_with("http_request")[0]["path"],
        "__unmatched__"
    );
}

#[tokio::test]
async fn own_method_fallback_is_kept() {
    let own = get(|| async { "hi\n" }).fallback(|| async { (StatusCode::CONFLICT, "own\n") });
    let router = Router::new().route("/own", own);
    let test = TestService::start(App::new(build_info!()).router(router), &[]).await;
    let request = Request::post("/own").body(Bytes::new()).unwrap();
    assert_eq!(test.request(request).await.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn handlers_can_extract_the_peer_address() {
    let peer = |ConnectInfo(addr): ConnectInfo<SocketAddr>| async move { addr.ip().to_string() };
    let router = Router::new().route("/peer", get(peer));
    let test = TestService::start(App::new(build_info!()).router(router), &[]).await;
    assert_eq!(test.get("/peer").await.body(), "127.0.0.1");
}

#[tokio::test]
async fn nested_routes_have_their_full_pattern() {
    let router = Router::new().nest("/api", router());
    let test = TestService::start(App::new(build_info!()).router(router), &[]).await;
    test.get("/api/items/7").await;
    assert_eq!(
        test.records_with("http_request")[0]["path"],
        "/api/items/{id}"
    );
}

#[tokio::test]
async fn extractor_outside_a_service_is_an_error() {
    let request = Request::get("/id").body(Body::empty()).unwrap();
    let answer = router().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"this extractor works only"), "{text:?}");
}

/// LOG-15
#[tokio::test]
async fn program_layers_apply_in_tests_but_not_with_prepare() {
    struct Count(Arc<Mutex<u32>>);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Count {
        fn on_event(
            &self,
            event: &tracing::Event<'_>,
            _: tracing_subscriber::layer::Context<'_, S>,
        ) {
            if event.metadata().target() == module_path!() {
                *self.0.lock().unwrap() += 1;
            }
        }
    }
    let events = Arc::new(Mutex::new(0));
    let service = || {
        let log = || async {
            tracing::debug!("an_event");
            "logged"
        };
        App::new(build_info!())
            .tracing_layer(Count(Arc::clone(&events)))
            .router(Router::new().route("/log", get(log)))
    };
    let test = TestService::start(service(), &[]).await;
    assert_eq!(test.get("/log").await.body(), "logged");
    assert_eq!(*events.lock().unwrap(), 1);
    assert_eq!(test.records_with("an_event").len(), 0, "it is below INFO");

    let captured = LogBuffer::default();
    let prepared = service()
        .environment(Environment::default())
        .output(Output::to(captured.clone()))
        .prepare()
        .unwrap();
    let warned = |record: &Value| record["message"] == "tracing_layers_unused";
    let found = move || captured.records().into_iter().find(warned);
    tokio::task::spawn_blocking(move || eventually("a warning", found))
        .await
        .unwrap();
    drop(prepared);
}

/// CLI-3
#[tokio::test]
async fn second_setup_is_rejected_by_prepare() {
    let none = |_: Handle| async { Ok::<_, SetupError>(Router::new()) };
    let service = App::new(build_info!()).setup(none).setup(none);
    let error = service.prepare().unwrap_err();
    assert!(error.to_string().contains("`App::setup`"), "{error}");
}

#[tokio::test]
async fn setup_accepts_any_error_that_converts() {
    /// Like `anyhow::Error`: not an error itself, but convertible into a boxed error.
    struct Opaque(String);
    impl From<Opaque> for SetupError {
        fn from(error: Opaque) -> Self {
            error.0.into()
        }
    }
    async fn set_up(_: Handle) -> Result<Router, Opaque> {
        Err(Opaque("no database".to_owned()))
    }
    let prepared = App::new(build_info!())
        .setup(set_up)
        .environment(Environment::from_pairs([(
            "HOST",
            unix_socket("setup-error").as_str(),
        )]))
        .output(Output::to(LogBuffer::default()))
        .prepare()
        .unwrap();
    let error = prepared.serve(async {}).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "no database");
}

#[tokio::test]
async fn all_setting_errors_are_returned_to_the_caller() {
    let error = App::new(build_info!())
        .environment(Environment::from_pairs([
            ("PORT", "0"),
            ("READ_TIMEOUT", "soon"),
        ]))
        .prepare()
        .unwrap_err();
    assert_eq!(error.exit_status(), 78);
    assert_eq!(error.config_errors().unwrap().problems().len(), 2);
}

/// MET-9
#[tokio::test]
async fn metrics_of_other_registries_are_in_the_scrape() {
    let service = App::new(build_info!()).setup(|handle: Handle| async move {
        let registry = prometheus::Registry::new();
        let jobs = prometheus::IntCounter::new("jobs_total", "Jobs done.")?;
        let size = prometheus::HistogramOpts::new("job_size", "Size of jobs.");
        let size = prometheus::Histogram::with_opts(size)?;
        registry.register(Box::new(jobs.clone()))?;
        registry.register(Box::new(size.clone()))?;
        jobs.inc();
        size.observe(0.3);
        handle.metrics().append_exposition(move |out| {
            let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather());
            out.push_str(&text.unwrap());
        });
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let exporter = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            metrics::describe_gauge!("queue_depth", "Depth of the \"queue\".");
            metrics::gauge!("queue_depth", "kind" => "a\\b").set(3.5);
            metrics::counter!("mails").increment(2);
            metrics::histogram!("mail_bytes").record(100.0);
        });
        let metrics = handle.metrics();
        metrics.append_exposition(move |out| out.push_str(&exporter.render()));
        metrics.append_exposition(|out| out.push_str("no metric\n"));
        Ok::<_, SetupError>(Router::new())
    });
    let test = TestService::start(service, &[]).await;
    let metrics = test.metrics().await;
    assert_eq!(metrics.value("jobs_total", &[]), Some(1.0));
    assert_eq!(metrics.value("job_size_count", &[]), Some(1.0));
    assert_eq!(metrics.value("queue_depth", &[("kind", "a\\b")]), Some(3.5));
    assert_eq!(metrics.value("mails", &[]), Some(2.0));
    assert_eq!(metrics.value("mail_bytes_count", &[]), Some(1.0));
    assert!(metrics.value("process_threads", &[]).is_some());
    assert_eq!(
        metrics.value("metrics_expositions_dropped_total", &[]),
        Some(1.0)
    );
    assert_eq!(
        test.metrics()
            .await
            .value("metrics_expositions_dropped_total", &[]),
        Some(2.0)
    );
    let records = test.records_with("metrics_exposition_dropped");
    assert_eq!(records.len(), 1, "once for each source");
    assert_eq!(records[0]["levelname"], "WARNING");

    let request = Request::get("/metrics").header("accept", "application/openmetrics-text");
    let answer = test.request(request.body(Bytes::new()).unwrap()).await;
    let text = str::from_utf8(answer.body()).unwrap();
    assert!(
        text.contains("\n# TYPE jobs counter\njobs_total 1\n"),
        "{text}"
    );
    assert!(text.contains("\n# TYPE mails unknown\nmails 2\n"), "{text}");
    assert_eq!(text.matches("# EOF\n").count(), 1);
    assert!(text.ends_with("# EOF\n"));
}
