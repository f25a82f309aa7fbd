//! gRPC calls beside other routes: their status is in trailers, and the HTTP status is 200.

#![expect(clippy::unwrap_used, reason = "a failure of a helper ends its test")]

use std::time::Duration;

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, Request, Response, header},
    routing::any,
};
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use plimsoll::{App, build_info, testing::TestService};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

fn fields(status: &'static str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert("grpc-status", HeaderValue::from_static(status));
    fields
}

/// Returns a response of this type with these headers.
fn response(kind: &'static str, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Returns a body that does not know its end until it is polled.
fn streamed(trailers: HeaderMap) -> Body {
    let frames = [
        Frame::data(Bytes::from_static(b"message")),
        Frame::trailers(trailers),
    ];
    let frames = frames.map(Ok::<_, std::convert::Infallible>);
    Body::new(StreamBody::new(stream::iter(frames)))
}

/// Returns a body that knows its length, and has trailers.
fn sized(trailers: HeaderMap) -> Body {
    let trailers = std::future::ready(Some(Ok(trailers)));
    Body::new(Full::new(Bytes::from_static(b"message")).with_trailers(trailers))
}

/// Returns a body that sends one message and then stalls.
fn endless() -> Body {
    let message = Frame::data(Bytes::from_static(b"message"));
    let first = stream::iter([Ok::<_, std::convert::Infallible>(message)]);
    let rest = stream::pending();
    Body::new(StreamBody::new(futures_util::StreamExt::chain(first, rest)))
}

const GRPC: &str = "application/grpc+proto";

fn router() -> Router {
    let route = |make: fn() -> Response<Body>| any(async move || make());
    Router::new()
        .route(
            "/refused",
            route(|| response(GRPC, fields("5"), Body::empty())),
        )
        .route(
            "/streamed",
            route(|| response(GRPC, HeaderMap::new(), streamed(fields("13")))),
        )
        .route(
            "/sized",
            route(|| response(GRPC, HeaderMap::new(), sized(fields("0")))),
        )
        .route(
            "/both",
            route(|| response("application/grpc", fields("2"), streamed(fields("7")))),
        )
        .route(
            "/malformed",
            route(|| response(GRPC, fields("five"), streamed(fields("")))),
        )
        .route(
            "/other",
            route(|| response("text/plain", fields("5"), streamed(fields("13")))),
        )
        .route("/plain", route(|| Response::new(Body::from("plain"))))
        .route(
            "/endless",
            route(|| response(GRPC, HeaderMap::new(), endless())),
        )
}

/// Starts a service and a connection over HTTP/2.
async fn start() -> (TestService, http2::SendRequest<Empty<Bytes>>) {
    let service = App::new(build_info!()).router(router());
    let service = TestService::start(service, &[("HTTP2_CLEARTEXT", "true")]).await;
    let stream = TcpStream::connect(service.addr()).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    (service, sender)
}

fn call(path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("http://localhost{path}");
    Request::post(uri).body(Empty::new()).unwrap()
}

/// Returns the access record of the only request for this path.
fn record(service: &TestService, path: &str) -> Value {
    let mut records = service.records_with("http_request");
    records.retain(|record| record["rawPath"] == path);
    assert_eq!(records.len(), 1, "{path}");
    records.pop().unwrap()
}

/// LOG-3
#[tokio::test]
async fn grpc_status_is_in_the_access_record() {
    let (service, mut sender) = start().await;
    for (path, status) in [
        ("/refused", 5),
        ("/streamed", 13),
        ("/sized", 0),
        ("/both", 7),
    ] {
        let response = sender.send_request(call(path)).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.unwrap();
        if path != "/refused" {
            let trailers = body.trailers().unwrap();
            assert_eq!(trailers["grpc-status"], status.to_string(), "{path}");
        }
        let record = record(&service, path);
        assert_eq!(record["grpcStatus"], status, "{path}");
        assert_eq!(
            (&record["status"], &record["levelname"]),
            (&200.into(), &"INFO".into())
        );
        assert_eq!(record.get("aborted"), None, "{path}");
    }
}

/// LOG-3
#[tokio::test]
async fn calls_without_a_grpc_status_have_none_in_the_record() {
    let (service, mut sender) = start().await;
    for path in ["/malformed", "/other", "/plain"] {
        let response = sender.send_request(call(path)).await.unwrap();
        response.into_body().collect().await.unwrap();
        assert_eq!(record(&service, path).get("grpcStatus"), None, "{path}");
    }
    let mut response = sender.send_request(call("/endless")).await.unwrap();
    response.frame().await.unwrap().unwrap();
    drop(response);
    let ended = async {
        while service.records_with("http_request").len() < 4 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), ended).await.unwrap();
    let record = record(&service, "/endless");
    assert_eq!(
        (&record["aborted"], record.get("grpcStatus")),
        (&true.into(), None)
    );
}

/// LOG-9
#[tokio::test]
async fn trailers_complete_a_request() {
    let (service, mut sender) = start().await;
    for path in ["/streamed", "/other", "/sized"] {
        let response = sender.send_request(call(path)).await.unwrap();
        let body = response.into_body().collect().await.unwrap();
        assert!(body.trailers().is_some(), "{path}");
        assert_eq!(record(&service, path).get("aborted"), None, "{path}");
    }
    // Over HTTP/1 a body of known length has no trailers, and the request ends with it.
    let (service, _) = start().await;
    for path in ["/streamed", "/other", "/sized"] {
        assert_eq!(service.get(path).await.body(), "message");
        assert_eq!(record(&service, path).get("aborted"), None, "{path}");
    }
}
