//! The layer for clients: one service calls another, and a collector receives the spans of both.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, status};
use plimsoll::testing::TestService;
use plimsoll::{App, ClientService, Handle, Prepared, SetupError, build_info};
use tokio::net::{TcpListener, TcpSocket};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::collector::{Collector, Manner, attribute, hex};
use super::{TRUSTING, check};

type Http = ClientService<Client<HttpConnector, Empty<Bytes>>>;

/// A client of another service, as a handler uses it.
#[derive(Clone)]
struct Upstream {
    client: Http,
    addr: SocketAddr,
}

impl Upstream {
    fn uri(&self, path: &str) -> Uri {
        let Self { addr, .. } = self;
        format!("http://{addr}{path}").parse().unwrap()
    }

    async fn get(self, path: &str) -> Result<StatusCode, StatusCode> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri(path);
        let answer = self.client.oneshot(request).await;
        answer
            .map(|answer| answer.status())
            .map_err(|_| StatusCode::BAD_GATEWAY)
    }
}

/// Sends a request to another service, inside a new span.
async fn ask(State(back): State<Upstream>) -> Result<String, StatusCode> {
    let status = back.get("/back?token=CANARY").await?;
    Ok(status.as_u16().to_string())
}

/// Starts a service whose `/front` calls the service at `addr`.
async fn front(addr: SocketAddr, settings: &[(&str, &str)]) -> TestService {
    let service = App::new(build_info!()).setup(move |handle: Handle| async move {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let client = handle.client_layer("back").layer(client);
        let router = Router::new().route("/front", get(ask));
        Ok::<_, SetupError>(router.with_state(Upstream { client, addr }))
    });
    TestService::start(service, settings).await
}

async fn back(settings: &[(&str, &str)]) -> TestService {
    let router = Router::new().route("/back", get(|| async { "back\n" }));
    TestService::start(App::new(build_info!()).router(router), settings).await
}

/// Returns the number of calls with this status, from counter and histogram.
async fn calls(test: &TestService, status: &str) -> (f64, f64) {
    let labels = [("peer", "back"), ("method", "GET"), ("status", status)];
    let metrics = test.metrics().await;
    let value = |name| metrics.value(name, &labels).unwrap_or(0.0);
    (
        value("http_client_requests_total"),
        value("http_client_request_duration_seconds_count"),
    )
}

/// Returns the span of the call.
fn call(collector: &Collector) -> Span {
    let span = collector.span("GET");
    assert_eq!(span.kind, SpanKind::Client as i32);
    span
}

fn has_failed(span: &Span) -> bool {
    let error = status::StatusCode::Error as i32;
    span.status.as_ref().is_some_and(|it| it.code == error)
}

/// OUT-2, OUT-3
#[tokio::test]
async fn id_and_trace_pass_through_two_services() {
    let collector = Collector::start(Manner::Takes);
    let endpoint = collector.endpoint();
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        TRUSTING,
    ];
    let back = back(&settings).await;
    let front = front(back.addr(), &settings).await;
    let request = Request::get("/front").header("x-request-id", "one-id");
    let answer = front.request(request.body(Bytes::new()).unwrap()).await;
    assert_eq!(answer.body(), "200");

    let (first, last) = (
        &front.records_with("http_request")[0],
        &back.records_with("http_request")[0],
    );
    assert_eq!(first["request_id"], "one-id");
    assert_eq!(last["request_id"], "one-id");
    assert_eq!(first["traceId"], last["traceId"]);
    assert!(first["traceId"].is_string());

    let (outer, inner) = (collector.span("GET /front"), collector.span("GET /back"));
    let call = call(&collector);
    for span in [&outer, &call, &inner] {
        assert_eq!(hex(&span.trace_id), first["traceId"]);
    }
    assert_eq!(call.parent_span_id, outer.span_id);
    assert_eq!(inner.parent_span_id, call.span_id);
    assert!(call.start_time_unix_nano >= outer.start_time_unix_nano);
    assert!(call.end_time_unix_nano <= outer.end_time_unix_nano);
    let port = back.addr().port().to_string();
    check(&call, "http.request.method", "GET");
    check(&call, "http.response.status_code", "200");
    check(&call, "server.address", "127.0.0.1");
    check(&call, "server.port", &port);
    let url = format!("http://127.0.0.1:{port}/back?token=***");
    check(&call, "url.full", &url);
    check(&call, "network.protocol.version", "1.1");
    assert_eq!(attribute(&call.attributes, "error.type"), None);
    assert!(!has_failed(&call));

    assert_eq!(calls(&front, "200").await, (1.0, 1.0));
}

/// OUT-2
#[tokio::test]
async fn propagated_ids_need_no_traces() {
    let back = back(&[]).await;
    let front = front(back.addr(), &[]).await;
    assert_eq!(front.get("/front").await.body(), "200");
    let id = |test: &TestService| test.records_with("http_request")[0]["request_id"].clone();
    assert_eq!(id(&front), id(&back));
    assert_eq!(calls(&front, "200").await, (1.0, 1.0));
}

/// OUT-2, OUT-3
#[tokio::test]
async fn failed_call_is_an_error() {
    let collector = Collector::start(Manner::Takes);
    let endpoint = collector.endpoint();
    // The socket is bound but does not listen, so no other process gets the port.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let addr = closed.local_addr().unwrap();
    let front = front(addr, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    assert_eq!(front.get("/front").await.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(calls(&front, "error").await, (1.0, 1.0));
    front.shutdown().await;
    let call = call(&collector);
    check(
        &call,
        "error.type",
        "hyper_util::client::legacy::client::Error",
    );
    assert!(has_failed(&call));
}

/// OUT-2, OUT-3
#[tokio::test]
async fn call_has_the_deadline_of_its_request() {
    let collector = Collector::start(Manner::Takes);
    let endpoint = collector.endpoint();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("REQUEST_TIMEOUT", "100ms"),
    ];
    let front = front(silent.local_addr().unwrap(), &settings).await;
    let answer = front.get("/front").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(calls(&front, "cancelled").await, (1.0, 1.0));
    front.shutdown().await;
    let call = call(&collector);
    check(&call, "error.type", "cancelled");
    assert!(!has_failed(&call), "a caller may cancel on purpose");
    let took = call.end_time_unix_nano - call.start_time_unix_nano;
    assert!(took >= Duration::from_millis(100).as_nanos().try_into().unwrap());
}

/// Prepares a service without serving it, with a client that returns this status.
async fn ask_at_once(settings: &[(&str, &str)], status: StatusCode) -> Prepared {
    let environment = plimsoll::config::Environment::from_pairs(settings.iter().copied());
    let chassis = App::new(build_info!())
        .environment(environment)
        .output(plimsoll::telemetry::Output::to(std::io::sink()))
        .prepare()
        .unwrap();
    // Like the channel of tonic, which knows the authority of all requests.
    let client = service_fn(move |request: Request<Body>| async move {
        assert!(request.headers().contains_key("traceparent"));
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = status;
        Ok::<_, Infallible>(answer)
    });
    let client = chassis.handle().client_layer("back").layer(client);
    let request = Request::builder()
        .method(Method::from_bytes(b"PURGE").unwrap())
        .uri("/cache");
    let answer = client.oneshot(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.unwrap().status(), status);
    chassis
}

/// OUT-3
#[tokio::test]
async fn call_outside_a_request_begins_a_trace() {
    let collector = Collector::start(Manner::Takes);
    let endpoint = collector.endpoint();
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    let chassis = ask_at_once(&settings, StatusCode::NOT_FOUND).await;
    let span = collector.span("HTTP");
    assert!(span.parent_span_id.is_empty());
    check(&span, "http.request.method", "_OTHER");
    check(&span, "http.request.method_original", "PURGE");
    check(&span, "server.address", "back");
    check(&span, "http.response.status_code", "404");
    check(&span, "error.type", "404");
    assert!(has_failed(&span), "a 4xx is a failure of the client");
    drop(chassis);
}

/// OUT-3
#[tokio::test]
async fn unsampled_call_is_no_span() {
    let collector = Collector::start(Manner::Takes);
    let endpoint = collector.endpoint();
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_TRACES_SAMPLER", "always_off"),
    ];
    let chassis = ask_at_once(&settings, StatusCode::OK).await;
    let text = chassis
        .layer()
        .metrics(plimsoll::metrics::TextFormat::Plain);
    let labels = "{peer=\"back\",method=\"_OTHER\",status=\"200\"}";
    assert!(text.contains(&format!("http_client_requests_total{labels} 1\n")));
    assert!(text.contains("\ntrace_spans_total 0\n"), "{text}");
}
