//! The routes, with bodies of both encodings and of neither.

use std::{convert::Infallible, io::Write as _};

use axum::http::Method;
use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::{
    ingest::otlp::names::Instances,
    store::{
        Store,
        span::{Spans, TraceId},
    },
};

const TRACE: &str = "5b8efff798038103d269b633813fc60c";

const JSON: (&str, &str) = ("content-type", "application/json");
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

/// The stores, and the routes that fill them.
fn receiver(origin: Option<&str>) -> (Arc<Store>, Arc<Spans>, Router) {
    let store = Arc::new(Store::new(8 << 20));
    let spans = Arc::new(Spans::new(1 << 20));
    let instances = Instances::new("test");
    let collector = Collector::new(Arc::clone(&store), Arc::clone(&spans), instances);
    let router = super::router(collector, origin.map(str::to_owned));
    (store, spans, router)
}

fn router() -> Router {
    receiver(None).2
}

/// A request with these spans of the service `orders`.
fn traces(spans: Value) -> String {
    let name = json!({"key": "service.name", "value": {"stringValue": "orders"}});
    let group = json!({"resource": {"attributes": [name]}, "scopeSpans": [{"spans": spans}]});
    json!({"resourceSpans": [group]}).to_string()
}

fn span(trace: &str) -> Value {
    json!({"traceId": trace, "spanId": "eee19b7ec3c1b174", "name": "GET /", "kind": 2,
        "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712660012400000"})
}

fn request(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request {
    let builder = Request::builder().method(Method::POST).uri(path);
    let builder = headers.iter().fold(builder, |builder, (name, value)| {
        builder.header(*name, *value)
    });
    builder.body(body.into()).unwrap()
}

async fn send(router: &Router, request: Request) -> (u16, HeaderMap, Vec<u8>) {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.unwrap();
    (head.status.as_u16(), head.headers, body.to_vec())
}

/// Sends JSON to `/v1/traces`.
async fn send_traces(router: &Router, body: impl Into<Body>) -> (u16, Value) {
    let request = request("/v1/traces", &[JSON], body);
    let (status, headers, body) = send(router, request).await;
    assert_eq!(headers["content-type"], "application/json");
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn spans_are_stored() {
    let (store, spans, router) = receiver(None);
    let (status, answer) = send_traces(&router, traces(json!([span(TRACE)]))).await;
    assert_eq!((status, answer), (200, json!({})));
    let trace = TraceId::from_hex(TRACE).unwrap();
    let name = |service| store.name(service).unwrap().to_string();
    let detail = spans.trace(&trace, name).unwrap();
    assert_eq!(detail.spans.len(), 1);
    let span = &detail.spans[0];
    assert_eq!(
        (&*span.name, &*span.service, span.ms),
        ("GET /", "orders", Some(12.4))
    );
}

#[tokio::test]
async fn log_records_are_lines_of_the_service() {
    let (store, _, router) = receiver(None);
    let record = json!({"severityNumber": 17, "body": {"stringValue": "failed"}});
    let group = json!({"scopeLogs": [{"logRecords": [record, {}]}]});
    let body = json!({"resourceLogs": [group]}).to_string();
    let request = request("/v1/logs", &[JSON], body);
    let (status, _, body) = send(&router, request).await;
    assert_eq!((status, &*body), (200, &b"{}"[..]));
    assert_eq!(store.latest(), 2);
}

#[tokio::test]
async fn rejected_spans_are_reported() {
    let router = router();
    let zero = "0".repeat(32);
    let body = traces(json!([span(TRACE), span(&zero), span("ab")]));
    let (status, answer) = send_traces(&router, body).await;
    assert_eq!(status, 200);
    let message = "2 rejected: the trace id has not 16 bytes, or is zero";
    let expected = json!({"rejectedSpans": "2", "errorMessage": message});
    assert_eq!(answer["partialSuccess"], expected);
}

#[tokio::test]
async fn cut_values_are_reported_without_a_rejection() {
    let router = router();
    let mut long = span(TRACE);
    long["name"] = "x".repeat(5000).into();
    let (status, answer) = send_traces(&router, traces(json!([long]))).await;
    assert_eq!(status, 200);
    let expected = json!({"errorMessage": "1 texts were cut to 4096 bytes"});
    assert_eq!(answer["partialSuccess"], expected);
}

#[tokio::test]
async fn gzip_is_unpacked_up_to_the_limit() {
    let router = router();
    let pack = |plain: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    };
    let headers = [PROTOBUF, ("content-encoding", "gzip")];
    let (status, _, body) = send(&router, request("/v1/traces", &headers, pack(b""))).await;
    assert_eq!(status, 200);
    let response = ExportTraceServiceResponse::decode(&body[..]).unwrap();
    assert_eq!(response, ExportTraceServiceResponse::default());

    // A bomb: an unknown field of 33 MiB.
    let bomb = pack(&vec![0; MAX_UNPACKED + 1]);
    assert!(bomb.len() < 1 << 20);
    let (status, headers, body) = send(&router, request("/v1/traces", &headers, bomb)).await;
    assert_eq!(status, 413);
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert!(String::from_utf8_lossy(&body).contains("more than 33554432 bytes"));

    let headers = [PROTOBUF, ("content-encoding", "gzip")];
    let (status, ..) = send(&router, request("/v1/traces", &headers, "no gzip")).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn large_body_is_rejected() {
    let router = router();
    let (status, answer) = send_traces(&router, vec![b' '; MAX_BODY + 1]).await;
    assert_eq!(status, 413);
    assert!(
        answer["message"].as_str().unwrap().contains("8388608"),
        "{answer}"
    );
    let headers = [JSON, ("content-length", "9000000")];
    let pending = Body::from_stream(never());
    let (status, ..) = send(&router, request("/v1/traces", &headers, pending)).await;
    assert_eq!(status, 413);
}

/// A body that never ends.
fn never() -> impl futures_core::Stream<Item = Result<Vec<u8>, Infallible>> {
    Pending
}

struct Pending;

impl futures_core::Stream for Pending {
    type Item = Result<Vec<u8>, Infallible>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn third_body_is_rejected_until_one_ends() {
    let router = router();
    let stopped = || {
        let body = Body::from_stream(never());
        let router = router.clone();
        tokio::spawn(async move { send(&router, request("/v1/traces", &[JSON], body)).await.0 })
    };
    let (one, two) = (stopped(), stopped());
    task::yield_now().await;
    let request = request("/v1/logs", &[PROTOBUF], "");
    let (status, headers, body) = send(&router, request).await;
    assert_eq!(
        (status, &headers["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    assert!(String::from_utf8_lossy(&body).contains("2 other bodies"));
    // Both time out.
    assert_eq!((one.await.unwrap(), two.await.unwrap()), (408, 408));
    let (status, _) = send_traces(&router, "{}").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn malformed_body_is_rejected() {
    let router = router();
    let (status, answer) = send_traces(&router, "{").await;
    assert_eq!((status, &answer["code"]), (400, &json!(3)));
    let (status, _, body) = send(&router, request("/v1/traces", &[PROTOBUF], "\u{7f}")).await;
    assert_eq!(status, 400);
    assert!(String::from_utf8_lossy(&body).contains("no protobuf message of OTLP"));
}

#[tokio::test]
async fn unknown_encodings_and_paths_are_problems() {
    let router = router();
    let xml = ("content-type", "application/xml");
    let brotli = ("content-encoding", "br");
    for (path, headers, expected) in [
        ("/v1/traces", &[][..], 415),
        ("/v1/traces", &[xml], 415),
        ("/v1/metrics", &[], 404),
        ("/v1/other", &[JSON], 404),
        ("/", &[JSON], 404),
    ] {
        let (status, headers, body) = send(&router, request(path, headers, "")).await;
        assert_eq!(status, expected, "{path}");
        assert_eq!(headers["content-type"], "application/problem+json");
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], expected);
    }
    let (status, ..) = send(&router, request("/v1/traces", &[JSON, brotli], "{}")).await;
    assert_eq!(status, 415);
    let get = Request::get("/v1/traces").body(Body::empty()).unwrap();
    assert_eq!(send(&router, get).await.0, 405);
}

#[tokio::test]
async fn grpc_is_answered_with_the_setting() {
    let router = router();
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let headers = [("content-type", "application/grpc+proto")];
    let (status, headers, body) = send(&router, request(path, &headers, "\0")).await;
    assert_eq!((status, body.len()), (200, 0));
    assert_eq!(headers["grpc-status"], "12");
    let message = headers["grpc-message"].to_str().unwrap();
    assert!(message.contains("OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"));
}

#[tokio::test]
async fn another_origin_stores_nothing() {
    let (_, spans, router) = receiver(Some("http://localhost:3000"));
    let body = traces(json!([span(TRACE)]));
    let foreign = [JSON, ("origin", "http://evil.example")];
    let (status, headers, _) = send(&router, request("/v1/traces", &foreign, body.clone())).await;
    assert_eq!(status, 403);
    assert!(!headers.contains_key("access-control-allow-origin"));
    assert_eq!(spans.state().received, 0);

    let own = [JSON, ("origin", "http://localhost:3000")];
    let (status, headers, _) = send(&router, request("/v1/traces", &own, body)).await;
    assert_eq!(status, 200);
    assert_eq!(
        headers["access-control-allow-origin"],
        "http://localhost:3000"
    );
    let mut preflight = request("/v1/traces", &own, "");
    *preflight.method_mut() = Method::OPTIONS;
    let (status, headers, _) = send(&router, preflight).await;
    assert_eq!(status, 204);
    assert!(
        headers["access-control-allow-headers"]
            .to_str()
            .unwrap()
            .contains("content-type")
    );
}
