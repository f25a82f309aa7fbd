//! Ids and trace contexts that a handler adds to its own outgoing requests.

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use bytes::Bytes;
use harness::{Process, example, request};
use http::Request;
use plimsoll::testing::TestService;
use plimsoll::{App, RequestId, build_info};

use super::collector::{Collector, Manner, hex};
use super::{CALLER, TRACE, TRUSTING};

const STATE: &str = "rojo=1";

/// Returns the headers of an outgoing request, one per line.
async fn sent_on() -> String {
    let task = plimsoll::spawn(async {
        let mut headers = HeaderMap::new();
        for name in ["x-request-id", "traceparent", "tracestate"] {
            headers.insert(name, "stale".parse().unwrap());
        }
        plimsoll::propagate(&mut headers);
        let id = RequestId::current().unwrap();
        assert_eq!(headers["x-request-id"], id.as_str());
        let text = |name| {
            headers
                .get(name)
                .map_or("-", |value| value.to_str().unwrap())
        };
        ["x-request-id", "traceparent", "tracestate"]
            .map(text)
            .join("\n")
    });
    task.await.unwrap()
}

/// Returns the headers that a service with these settings propagates from a request with an id and
/// a trace.
async fn propagated(settings: &[(&str, &str)]) -> (String, String, String) {
    let router = Router::new().route("/", get(sent_on));
    let test = TestService::start(App::new(build_info!()).router(router), settings).await;
    let request = Request::get("/")
        .header("x-request-id", "one-id")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .header("tracestate", STATE)
        .body(Bytes::new())
        .unwrap();
    let answer = test.request(request).await;
    let text = str::from_utf8(answer.body()).unwrap().to_owned();
    test.shutdown().await;
    let mut lines = text.split('\n').map(str::to_owned);
    let mut line = || lines.next().unwrap();
    (line(), line(), line())
}

/// OUT-1
#[tokio::test]
async fn propagate_writes_the_id_and_the_span_of_the_request() {
    let collector = Collector::start(Manner::Takes);
    let endpoint = collector.endpoint();
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), TRUSTING];
    let (id, parent, state) = propagated(&settings).await;
    assert_eq!((id.as_str(), state.as_str()), ("one-id", STATE));
    let span = hex(&collector.span("GET /").span_id);
    assert_eq!(parent, format!("00-{TRACE}-{span}-01"));
}

/// OUT-1
#[tokio::test]
async fn propagate_forwards_a_trusted_trace() {
    let (id, parent, state) = propagated(&[TRUSTING]).await;
    assert_eq!((id.as_str(), state.as_str()), ("one-id", STATE));
    assert_eq!(parent, format!("00-{TRACE}-{CALLER}-01"));
}

/// OUT-1
#[tokio::test]
async fn propagate_drops_the_trace_of_an_untrusted_peer() {
    let (id, parent, state) = propagated(&[]).await;
    assert_eq!([id, parent, state], ["one-id", "-", "-"]);
}

/// OUT-2
#[test]
fn outgoing_example_propagates_the_id() {
    let upstream = Process::start(example("minimal"), &[]);
    let url = format!("http://{}/hello", upstream.addr());
    let relay = Process::start(example("outgoing"), &[("UPSTREAM", &url)]);
    let answer = relay.request(request("GET", "/relayed", "X-Request-ID: one-id\r\n"));
    assert_eq!((answer.status, answer.text()), (200, "hello\n"));
    upstream.wait_for_record(|record| {
        record["message"] == "http_request" && record["request_id"] == "one-id"
    });
    let labels = [("peer", "upstream"), ("method", "GET"), ("status", "200")];
    let calls = relay.metrics().value("http_client_requests_total", &labels);
    assert_eq!(calls, Some(1.0));
    relay.terminate();
    upstream.terminate();
}
