//! A service on a free port of the test process, with its captured log records.

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
    app::{App, InProcessAdmin, Running},
    config::{Environment, Settings},
    lifecycle::{ShutdownReport, Stop},
    telemetry::{Log, Output},
};

/// A running service.
///
/// If it is dropped, the service runs until the test's runtime shuts down.
/// Its methods panic on every failure.
#[derive(Debug)]
pub struct TestService {
    addr: SocketAddr,
    running: Running,
    admin: InProcessAdmin,
    log: LogBuffer,
    _subscriber: DefaultGuard,
}

/// Log output in memory.
#[derive(Debug, Clone, Default)]
struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for LogBuffer {
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
    reason = "a failure ends the test"
)]
impl TestService {
    /// Starts a service on a free port of 127.0.0.1, with these settings only.
    ///
    /// `tracing` events of this thread are captured as records.
    /// With `#[tokio::test]` these are all events of the service.
    pub async fn start<S: Settings>(service: App<S>, settings: &[(&str, &str)]) -> Self {
        let log = LogBuffer::default();
        let environment = Environment::from_pairs(settings.iter().copied());
        let mut service = service;
        let layers = service.take_layers();
        // An empty list of layers would disable all other layers.
        let layers = (!layers.is_empty()).then_some(layers);
        let prepared = service
            .environment(environment)
            .output(Output::to(log.clone()))
            .prepare()
            .expect("the settings are valid")
            .listen_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let subscriber = tracing_subscriber::registry()
            .with(layers)
            .with(prepared.log().layer().filtered());
        let guard = tracing::subscriber::set_default(subscriber);
        let admin = prepared.in_process_admin();
        let running = prepared.start().await.expect("the service starts");
        let addr = running.local_addr.expect("the service listens on TCP");
        Self {
            addr,
            running,
            admin,
            log,
            _subscriber: guard,
        }
    }

    /// Returns the address on which the service listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sends `GET path` over a new connection and reads the whole response.
    pub async fn get(&self, path: &str) -> Response<Bytes> {
        let request = Request::get(path)
            .body(Bytes::new())
            .expect("the path is valid");
        self.request(request).await
    }

    /// Sends a request over a new connection and reads the whole response.
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
            .expect("the service accepts connections");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("the handshake succeeds");
        let connection = tokio::spawn(connection);
        let response = sender
            .send_request(request.map(Full::new))
            .await
            .expect("the service responds");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("the body is complete");
        connection.abort();
        Response::from_parts(head, body.to_bytes())
    }

    /// Returns the response of the admin listener to a request of an authorised client.
    ///
    /// `ADMIN_ADDR` need not be set: the request is handled in the process, without a listener. The
    /// header `Authorization` is set, and `Host` if it is absent. `POST /admin/drain` is recorded, but
    /// only [`TestService::shutdown`] ends the service.
    ///
    /// ```
    /// use axum::{body::Bytes, http::Request};
    /// use plimsoll::{App, Check, Handle, build_info, check};
    /// use plimsoll::testing::{Dependency, TestService};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let database = Dependency::up();
    /// let app = App::new(build_info!())
    ///     .setup(|handle: Handle| async move {
    ///         handle.check(Check::degrade("database", check::tcp("db.internal:5432")))?;
    ///         Ok::<_, plimsoll::SetupError>(axum::Router::new())
    ///     })
    ///     .fake("database", &database);
    /// let test = TestService::start(app, &[]).await;
    /// database.fails("refused");
    /// test.run_checks().await;
    /// let request = Request::get("/admin/checks").body(Bytes::new())?;
    /// let response = test.admin(request).await;
    /// let view: serde_json::Value = serde_json::from_slice(response.body())?;
    /// assert_eq!(view["checks"][0]["error"], "refused");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn admin(&self, request: Request<Bytes>) -> Response<Bytes> {
        let response = self.admin.send(request).await;
        response.expect("the body is complete")
    }

    /// Runs every health check now, often enough for its state to follow its results.
    ///
    /// It waits for no clock, except for the limit of a check that hangs. A check that goes down for
    /// the third time within 10 minutes stays down for a minute.
    pub async fn run_checks(&self) {
        self.running.checks.run_now().await;
    }

    /// Returns all log records so far.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        settle(&self.running.log);
        let bytes = self.log.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).expect("every line is JSON"))
            .collect()
    }

    /// Returns all log records with this message so far.
    #[must_use]
    pub fn records_with(&self, message: &str) -> Vec<Value> {
        let mut records = self.records();
        records.retain(|record| record["message"] == message);
        records
    }

    /// Scrapes `/metrics`.
    pub async fn metrics(&self) -> Scrape {
        let response = self.get("/metrics").await;
        let text = std::str::from_utf8(response.body()).expect("metrics are UTF-8");
        Scrape::parse(text).expect("metrics are well-formed")
    }

    /// Shuts the service down as SIGTERM does.
    pub async fn shutdown(self) -> ShutdownReport {
        self.running.end(Stop::Requested, pending()).await
    }
}

/// Waits until every produced record is written or dropped, which takes about a millisecond.
fn settle(log: &Log) {
    loop {
        let totals = log.totals();
        if totals.written + totals.dropped >= totals.produced.iter().sum() {
            return;
        }
        std::thread::yield_now();
    }
}
