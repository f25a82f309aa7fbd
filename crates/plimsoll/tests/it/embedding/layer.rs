//! The layer around other servers, and `serve` on the caller's runtime.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use harness::{LogBuffer, Process, Scrape, eventually, example, request};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use plimsoll::config::{Environment, Invalid, Reader, Settings};
use plimsoll::metrics::TextFormat;
use plimsoll::telemetry::Output;
use plimsoll::testing::TestService;
use plimsoll::{App, Handle, SetupError, build_info};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use super::{router, unix_socket};

#[tokio::test]
async fn layer_works_around_any_server() {
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
async fn serve_runs_on_the_callers_runtime_until_shutdown() {
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
    // The listener of the test has released the port, so it is free.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let service = App::with_settings::<Own>(build_info!())
        .setup(|handle: Handle<Own>| async move {
            let pause = handle.settings().pause;
            handle.on_shutdown("notify", async move {
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

#[tokio::test]
async fn decompressed_bodies_are_limited() {
    // Like a decompression layer: few bytes arrive, many are read.
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
async fn bytes_in_a_connect_tunnel_are_not_parsed_as_http() {
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

#[test]
fn embedding_example_serves_with_the_layer() {
    let program = Process::spawn(example("embedded"), &[]);
    eventually("a connection", || program.try_connect().ok());
    let answer = program.request(request("GET", "/hello", "X-Request-ID: one-id\r\n"));
    assert_eq!(answer.header("x-request-id"), Some("one-id"));
    let record = program.wait_for_record(|record| record["message"] == "http_request");
    assert_eq!(record["path"], "/hello");
    let labels = [("path", "/hello"), ("status", "200")];
    assert_eq!(program.metrics().sum("http_requests_total", &labels), 1.0);
}
