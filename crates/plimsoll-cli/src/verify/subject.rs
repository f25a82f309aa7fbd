//! The service during a probe: it sends the probe's requests and gathers the evidence.

use std::time::Duration;

use rustix::process::Signal;
use tokio::{net::TcpStream, time::sleep};

use super::{
    evidence::{Evidence, Shutdown},
    lag::LagMeter,
    names::Names,
    nonce::Nonces,
    probe::Collect,
    routes::{Route, Routes},
    scenario::Scenario,
};
use crate::{
    target::{Process, Start},
    wire::{Exchange, Wire},
};

/// The longest wait for the record of a request.
const RECORD_LIMIT: Duration = Duration::from_secs(2);

/// The wait for records that must not exist, after the record of a later request.
const SETTLING: Duration = Duration::from_millis(300);

/// The service during a probe.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    wire: Wire,
    process: Option<&'a mut Process>,
    nonces: &'a mut Nonces,
    /// The connection of [`Self::send_kept`], if it is open.
    kept: Option<TcpStream>,
    evidence: Evidence,
}

impl<'a> Subject<'a> {
    /// Creates the subject of one probe. A service at a URL has no process.
    pub(super) fn new(
        wire: Wire,
        process: Option<&'a mut Process>,
        start: Option<Start>,
        scenario: &'static Scenario,
        nonces: &'a mut Nonces,
    ) -> Self {
        Self {
            wire,
            process,
            nonces,
            kept: None,
            evidence: Evidence {
                scenario,
                start,
                ..Evidence::default()
            },
        }
    }

    /// Adds the configured routes of the service, and the names of fields in its log.
    pub(super) fn configured(mut self, routes: &Routes, names: &Names) -> Self {
        self.evidence.routes = routes.clone();
        self.evidence.names = names.clone();
        self
    }

    /// Returns the path of a route, such as `(Route::Slow, &[("ms", 300)])`.
    ///
    /// Without the route, the probe sends nothing, and its check calls [`Evidence::require_route`].
    pub(super) fn route(&self, route: Route, values: &[(&str, u64)]) -> Option<String> {
        self.evidence.routes.path(route, values)
    }

    /// Runs the probe's requests and returns the evidence.
    pub(super) async fn observe(mut self, collect: Collect) -> Evidence {
        let meter = LagMeter::start();
        collect(&mut self).await;
        self.evidence.lag = meter.longest();
        let output = self.process.map(|process| process.output().lines());
        Evidence {
            lines: output,
            ..self.evidence
        }
    }

    /// Returns a text that occurs in no other request.
    pub(super) fn nonce(&mut self) -> String {
        self.nonces.next()
    }

    /// Sends a GET request over a new connection, without a nonce.
    pub(super) async fn get(&mut self, name: &'static str, path: &str, headers: &[&str]) {
        let nonce = self.nonce();
        self.send(name, nonce, request("GET", path, headers)).await;
    }

    /// Sends a GET request with a nonce in its id and, in place of `{nonce}`, in its path.
    pub(super) async fn get_marked(&mut self, name: &'static str, path: &str, headers: &[&str]) {
        let nonce = self.nonce();
        let id = format!("X-Request-ID: {nonce}");
        let path = path.replace("{nonce}", &nonce);
        let headers: Vec<&str> = headers.iter().copied().chain([id.as_str()]).collect();
        self.send(name, nonce, request("GET", &path, &headers))
            .await;
    }

    /// Sends the bytes over a new connection. Its records are found by the nonce.
    pub(super) async fn send(&mut self, name: &'static str, nonce: String, request: Vec<u8>) {
        let exchange = self.wire.exchange(name, nonce, request).await;
        self.evidence.exchanges.push(exchange);
    }

    /// Sends a request with a nonce in its id over the connection of the one before.
    ///
    /// `{nonce}` in method and path is replaced.
    /// A connection belongs to one process of the service, so these requests share its state.
    pub(super) async fn send_kept(&mut self, name: &'static str, method: &str, path: &str) {
        let nonce = self.nonce();
        let path = path.replace("{nonce}", &nonce);
        let method = method.replace("{nonce}", &nonce.to_ascii_uppercase());
        let id = format!("X-Request-ID: {nonce}");
        let request = kept_request(&method, &path, &[&id]);
        let exchange = self
            .wire
            .exchange_kept(&mut self.kept, name, nonce, request);
        self.evidence.exchanges.push(exchange.await);
    }

    /// Adds exchanges to the evidence.
    pub(super) fn add(&mut self, exchanges: impl IntoIterator<Item = Exchange>) {
        self.evidence.exchanges.extend(exchanges);
    }

    /// Returns the evidence so far, without lines.
    pub(super) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Returns the client of the service, for concurrent requests.
    pub(super) fn wire(&self) -> Wire {
        self.wire
    }

    /// Waits until all records of the requests so far are written.
    ///
    /// A later request marks the end: its record follows theirs.
    pub(super) async fn settle(&mut self) {
        self.get_marked("marker", "/.plimsoll/{nonce}", &[]).await;
        let marker = self.evidence.exchanges.last();
        if let (Some(process), Some(marker)) = (&self.process, marker) {
            // A service without access records is reported by LOG-3, not here.
            let _ = process.output().wait_for(&marker.nonce, RECORD_LIMIT).await;
            sleep(SETTLING).await;
        }
    }

    /// Sends SIGTERM to the service. Returns the time just before.
    pub(super) fn terminate(&mut self) -> Duration {
        let signal = self.wire.elapsed();
        if let Some(process) = &self.process {
            process.signal(Signal::TERM);
        }
        let shutdown = Shutdown { signal, end: None };
        self.evidence.shutdown = Some(shutdown);
        signal
    }

    /// Stops all processes of the service.
    pub(super) fn freeze(&self) {
        if let Some(process) = &self.process {
            process.freeze();
        }
    }

    /// Continues all processes of the service.
    pub(super) fn thaw(&self) {
        if let Some(process) = &self.process {
            process.thaw();
        }
    }

    /// Waits for the end of the service.
    pub(super) async fn wait_for_end(&mut self, limit: Duration) {
        if let (Some(process), Some(shutdown)) = (&mut self.process, &mut self.evidence.shutdown) {
            shutdown.end = process.wait_for_end(limit).await;
        }
    }
}

/// Returns the bytes of a request, after which the connection is closed.
pub(super) fn request(method: &str, path: &str, headers: &[&str]) -> Vec<u8> {
    let headers: Vec<&str> = ["Connection: close"]
        .into_iter()
        .chain(headers.iter().copied())
        .collect();
    kept_request(method, path, &headers)
}

/// Returns the bytes of a request, after which the connection stays open.
fn kept_request(method: &str, path: &str, headers: &[&str]) -> Vec<u8> {
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: plimsoll\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request.into_bytes()
}
