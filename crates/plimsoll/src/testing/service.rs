//! A service inside a test: on a port of its own, with its records at hand.

use std::{
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

use super::Scrape;
use crate::{
    app::{App, Running},
    config::{Environment, Settings},
    lifecycle::{ShutdownReport, Stop},
    telemetry::{Log, Output},
};

/// A running service. Dropping it leaves the service to the test's runtime, which ends with it.
///
/// Its methods panic where a test cannot go on.
#[derive(Debug)]
pub struct TestService {
    addr: SocketAddr,
    running: Running,
    captured: Captured,
    _subscriber: DefaultGuard,
}

#[derive(Debug, Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test ends where it cannot go on"
)]
impl TestService {
    /// Starts a service with these settings, and no others, on a free port of 127.0.0.1.
    ///
    /// Events of `tracing` on this thread become records too; with `#[tokio::test]` that is
    /// everything the service does.
    pub async fn start<S: Settings>(service: App<S>, settings: &[(&str, &str)]) -> Self {
        let captured = Captured::default();
        let environment = Environment::from_pairs(settings.iter().copied());
        let mut service = service;
        let layers = service.take_layers();
        // An empty list of layers would silence all others.
        let layers = (!layers.is_empty()).then_some(layers);
        let prepared = service
            .environment(environment)
            .output(Output::to(captured.clone()))
            .prepare()
            .expect("the settings are right")
            .listen_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let subscriber = tracing_subscriber::registry()
            .with(layers)
            .with(prepared.log().layer().filtered());
        let guard = tracing::subscriber::set_default(subscriber);
        let running = prepared.start().await.expect("the service starts");
        let addr = running.local_addr.expect("the service listens on TCP");
        Self {
            addr,
            running,
            captured,
            _subscriber: guard,
        }
    }

    /// Where the service listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Asks for a path.
    pub async fn get(&self, path: &str) -> Response<Bytes> {
        let request = Request::get(path)
            .body(Bytes::new())
            .expect("the path is valid");
        self.request(request).await
    }

    /// Sends a request over a connection of its own, and reads the whole answer.
    pub async fn request(&self, mut request: Request<Bytes>) -> Response<Bytes> {
        if !request.headers().contains_key(header::HOST) {
            let host = self
                .addr
                .to_string()
                .parse()
                .expect("an address is a valid host");
            request.headers_mut().insert(header::HOST, host);
        }
        let stream = TcpStream::connect(self.addr)
            .await
            .expect("the service accepts");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("it is HTTP");
        let connection = tokio::spawn(connection);
        let answer = sender
            .send_request(request.map(Full::new))
            .await
            .expect("it answers");
        let (head, body) = answer.into_parts();
        let body = body.collect().await.expect("the body is whole").to_bytes();
        connection.abort();
        Response::from_parts(head, body)
    }

    /// All records so far.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        settle(&self.running.log);
        let bytes = self
            .captured
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).expect("every line is JSON"))
            .collect()
    }

    /// All records so far with this message.
    #[must_use]
    pub fn records_with(&self, message: &str) -> Vec<Value> {
        let mut records = self.records();
        records.retain(|record| record["message"] == message);
        records
    }

    /// What `/metrics` tells.
    pub async fn metrics(&self) -> Scrape {
        let answer = self.get("/metrics").await;
        let text = std::str::from_utf8(answer.body()).expect("metrics are text");
        Scrape::parse(text).expect("metrics are well-formed")
    }

    /// Ends the service as a signal would.
    pub async fn shutdown(self) -> ShutdownReport {
        self.running.end(Stop::Requested, pending()).await
    }
}

/// Waits until every record that was produced is written or dropped, which takes a millisecond.
fn settle(log: &Log) {
    loop {
        let totals = log.totals();
        if totals.written + totals.dropped >= totals.produced.iter().sum() {
            return;
        }
        std::thread::yield_now();
    }
}
