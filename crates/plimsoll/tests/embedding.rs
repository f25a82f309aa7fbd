//! The chassis inside somebody else's program: a test, a runtime, a server of their own.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::{Request, StatusCode},
    routing::{get, post},
};
use harness::{LogBuffer, Scrape, eventually};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use plimsoll::{
    App, ClientIp, Handle, RequestId, SetupError, build_info,
    config::{Environment, Invalid, Reader, Settings},
    metrics::TextFormat,
    telemetry::Output,
    testing::TestService,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
};
use tower::ServiceExt as _;

fn router() -> Router {
    Router::new()
        .route("/hello", get(|| async { "hello\n" }))
        .route("/items/{id}", get(|| async { "item\n" }))
        .route("/id", get(|id: RequestId| async move { id.to_string() }))
        .route(
            "/client",
            get(|ClientIp(ip): ClientIp| async move { format!("{ip:?}") }),
        )
        .route("/panic", get(|| async { panic!("thrown") as () }))
        .route(
            "/upload",
            post(|body: Bytes| async move { body.len().to_string() }),
        )
}

/// A `HOST` of this process's own.
fn unix_socket(name: &str) -> String {
    let name = format!("plimsoll-{name}-{}.sock", std::process::id());
    format!("unix:{}", std::env::temp_dir().join(name).display())
}

#[tokio::test]
async fn several_services_live_in_one_process_each_with_its_own_log_and_metrics() {
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
async fn a_service_inside_a_program_tells_the_service_manager_nothing() {
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
async fn routes_of_builder_and_set_up_are_served_together() {
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
async fn a_fallback_of_the_services_own_is_kept_and_counted_as_unmatched() {
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
async fn answers_of_the_services_own_method_fallback_are_kept() {
    let own = get(|| async { "hi\n" }).fallback(|| async { (StatusCode::CONFLICT, "own\n") });
    let router = Router::new().route("/own", own);
    let test = TestService::start(App::new(build_info!()).router(router), &[]).await;
    let request = Request::post("/own").body(Bytes::new()).unwrap();
    assert_eq!(test.request(request).await.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn handlers_still_find_the_peers_address_where_axum_puts_it() {
    let peer = |ConnectInfo(addr): ConnectInfo<SocketAddr>| async move { addr.ip().to_string() };
    let router = Router::new().route("/peer", get(peer));
    let test = TestService::start(App::new(build_info!()).router(router), &[]).await;
    assert_eq!(test.get("/peer").await.body(), "127.0.0.1");
}

#[tokio::test]
async fn nested_routes_have_their_whole_pattern() {
    let router = Router::new().nest("/api", router());
    let test = TestService::start(App::new(build_info!()).router(router), &[]).await;
    test.get("/api/items/7").await;
    assert_eq!(
        test.records_with("http_request")[0]["path"],
        "/api/items/{id}"
    );
}

#[tokio::test]
async fn an_extractor_outside_a_service_says_so() {
    let request = Request::get("/id").body(Body::empty()).unwrap();
    let answer = router().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"this extractor works only"), "{text:?}");
}

#[tokio::test]
async fn the_layer_gives_ids_records_metrics_limits_and_panic_answers_to_any_server() {
    let captured = LogBuffer::default();
    let chassis = App::new(build_info!())
        .environment(Environment::from_pairs([
            ("MAX_BODY_BYTES", "10"),
            ("DEBUG", "true"),
        ]))
        .output(Output::to(captured.clone()))
        .prepare()
        .unwrap();
    let layer = chassis.layer();
    let app = router().layer(layer.clone());
    let send = |request: Request<Body>| app.clone().oneshot(request);

    let request = Request::get("/items/7?token=t").header("x-request-id", "mine");
    let answer = send(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "mine");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "item\n"
    );

    let answer = send(Request::get("/panic").body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert!(
        problem["detail"].as_str().unwrap().contains("thrown"),
        "{problem}"
    );

    let request = Request::post("/upload")
        .body(Body::from("eleven bytes"))
        .unwrap();
    assert_eq!(
        send(request).await.unwrap().status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );

    let mut request = Request::get("/client").body(Body::empty()).unwrap();
    request
        .extensions_mut()
        .insert(ConnectInfo(SocketAddr::from(([10, 1, 2, 3], 4))));
    let answer = send(request).await.unwrap();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "Some(10.1.2.3)"
    );

    let metrics = Scrape::parse(&layer.metrics(TextFormat::Plain)).unwrap();
    let count = |path, status| {
        metrics.value(
            "http_requests_total",
            &[
                ("service", "plimsoll"),
                ("method", if path == "/upload" { "POST" } else { "GET" }),
                ("path", path),
                ("status", status),
            ],
        )
    };
    assert_eq!(count("/items/{id}", "200"), Some(1.0));
    assert_eq!(count("/panic", "500"), Some(1.0));
    assert_eq!(count("/upload", "413"), Some(1.0));
    assert_eq!(metrics.value("panics_total", &[]), Some(1.0));

    drop((app, layer, chassis));
    eventually("the records are written", || {
        (captured.records().len() >= 5).then_some(())
    });
    let first = &captured.records()[0];
    assert_eq!(
        (&first["path"], &first["query"]),
        (&"/items/{id}".into(), &"token=***".into())
    );
}

#[tokio::test]
async fn serve_runs_on_the_callers_runtime_and_ends_when_it_is_told() {
    struct Own {
        pause: Duration,
    }
    impl Settings for Own {
        fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
            let pause = from
                .setting("PAUSE", "How long a request takes.")
                .default("50ms")
                .read();
            Ok(Self { pause: pause? })
        }
    }
    let (sender, receiver) = oneshot::channel();
    let captured = LogBuffer::default();
    // The port is free as long as nobody else binds it: the test's own listener gives it back.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let service = App::with_settings::<Own>(build_info!())
        .setup(|handle: Handle<Own>| async move {
            let pause = handle.settings().pause;
            handle.on_shutdown("tell", async move {
                let _ = sender.send(());
            });
            let slow = move || async move {
                tokio::time::sleep(pause).await;
                "slow\n"
            };
            Ok::<_, SetupError>(Router::new().route("/slow", get(slow)))
        })
        .environment(Environment::from_pairs([
            ("HOST", "127.0.0.1"),
            ("PORT", port.to_string().as_str()),
        ]))
        .output(Output::to(captured.clone()))
        .prepare()
        .unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(service.serve(async move {
        let _ = stopped.await;
    }));
    let records = captured.clone();
    let request = tokio::task::spawn_blocking(move || {
        eventually("the service is ready", || {
            records
                .records()
                .into_iter()
                .find(|record| record["message"] == "infra_app_ready")
        });
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        harness::Connection::tcp(addr).unwrap().get("/slow")
    });
    assert_eq!(request.await.unwrap().status, 200);
    stop.send(()).unwrap();
    let report = serving.await.unwrap().unwrap();
    assert_eq!((report.reason, report.exit_status()), ("requested", 0));
    receiver.await.expect("the hook ran");
    assert_eq!(
        captured.records().last().unwrap()["message"],
        "shutdown_complete"
    );
}

#[tokio::test]
async fn serve_works_after_layer() {
    let captured = LogBuffer::default();
    let prepared = App::new(build_info!())
        .router(router())
        .environment(Environment::from_pairs([
            ("HOST", unix_socket("serve-after-layer").as_str()),
            ("DRAIN_DELAY", "0"),
        ]))
        .output(Output::to(captured.clone()))
        .prepare()
        .unwrap();
    let own = router().layer(prepared.layer());
    let request = Request::get("/hello").body(Body::empty()).unwrap();
    assert_eq!(own.oneshot(request).await.unwrap().status(), 200);
    let report = prepared.serve(async {}).await.unwrap();
    assert_eq!((report.reason, report.exit_status()), ("requested", 0));
    let ready = |record: &Value| record["message"] == "infra_app_ready";
    assert_eq!(captured.records().iter().filter(|it| ready(it)).count(), 1);
}

/// LOG-15
#[tokio::test]
async fn layers_of_the_program_work_in_tests_and_not_with_prepare() {
    struct Count(Arc<Mutex<u32>>);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Count {
        fn on_event(
            &self,
            event: &tracing::Event<'_>,
            _: tracing_subscriber::layer::Context<'_, S>,
        ) {
            if event.metadata().target() == "embedding" {
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
async fn setup_takes_any_error_that_converts() {
    /// Like `anyhow::Error`: no error itself, and convertible into a boxed one.
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
async fn wrong_settings_are_told_to_the_caller_all_at_once() {
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

#[tokio::test]
async fn a_layer_that_inflates_bodies_does_not_escape_the_limit() {
    // What a decompression layer does: few bytes come, many are read.
    let layer = tower::util::MapRequestLayer::new(|request: Request<Body>| {
        request.map(|_| Body::from(vec![0; 4096]))
    });
    let router = Router::new()
        .route(
            "/small",
            post(|body: Bytes| async move { body.len().to_string() }),
        )
        .route(
            "/large",
            post(|body: Bytes| async move { body.len().to_string() })
                .layer(plimsoll::RouteLimitsLayer::new().max_body_bytes(8192)),
        )
        .layer(layer);
    let service = App::new(build_info!()).router(router);
    let test = TestService::start(service, &[("MAX_BODY_BYTES", "1024")]).await;
    let send = |path| {
        test.request(
            Request::post(path)
                .body(Bytes::from_static(b"zip"))
                .unwrap(),
        )
    };
    assert_eq!(send("/small").await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send("/large").await.body(), "4096");
}

/// SRV-3
#[tokio::test]
async fn bytes_in_a_connect_tunnel_are_not_read_as_http() {
    let echo = |request: Request<Body>| async move {
        tokio::spawn(async move {
            let tunnel = hyper::upgrade::on(request).await.unwrap();
            let (mut read, mut write) = tokio::io::split(TokioIo::new(tunnel));
            tokio::io::copy(&mut read, &mut write).await.unwrap();
        });
        StatusCode::OK
    };
    let service = App::new(build_info!()).router(Router::new().fallback(echo));
    let test = TestService::start(service, &[]).await;
    let mut stream = TcpStream::connect(test.addr()).await.unwrap();
    let sent = "\r\na\r\n\r\nb\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    let connect = "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n";
    // The first bytes of the tunnel arrive with the request.
    let all = [connect, &sent].concat();
    stream.write_all(all.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, tunnel) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(tunnel, sent);
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
