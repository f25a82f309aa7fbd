//! The service during a probe: it sends the probe's requests and gathers the evidence.

mod activated;
mod beside;
mod scrapes;
mod signals;
mod tls;

use std::time::Duration;

use rustix::process::Signal;
use tokio::{net::TcpStream, time::sleep};

pub(super) use self::scrapes::COUNTED;
use super::{
    authority::Authority,
    collector::Collector,
    conversation::Conversation,
    evidence::{Evidence, Records},
    lag::LagMeter,
    nonce::Nonces,
    peers::Peers,
    probe::Collect,
    routes::Route,
    run::Plan,
    scenario::Scenario,
};
pub(super) use crate::wire::Hello;
use crate::{
    target::{Output, Process, Start},
    wire::{Exchange, Wire},
};

/// The longest wait for the record of a request.
const RECORD_LIMIT: Duration = Duration::from_secs(2);

/// The longest wait for a record in the log of a service at a URL, which can take a detour.
const DISTANT_LIMIT: Duration = Duration::from_secs(10);

/// The paths that the admin listener answers.
const RESERVED: [&str; 7] = [
    "/health",
    "/ready",
    "/metrics",
    "/livez",
    "/healthz",
    "/readyz",
    "/startupz",
];

/// The wait for records that must not exist, after the record of a later request.
const SETTLING: Duration = Duration::from_millis(300);

/// The service under test.
#[derive(Debug)]
pub(super) enum Service<'a> {
    /// It was started for its checks.
    Process {
        process: &'a mut Process,
        start: Start,
        peers: &'a mut Peers,
    },
    /// It runs at a URL.
    Url {
        admin: Option<Wire>,
        log: Option<&'a Output>,
    },
}

/// The service during a probe.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    wire: Wire,
    /// The client of the admin listener, if it has an address of its own.
    admin: Option<Wire>,
    process: Option<&'a mut Process>,
    log: Option<Output>,
    peers: Option<&'a mut Peers>,
    nonces: &'a mut Nonces,
    /// The connection of [`Self::send_kept`], if it is open.
    kept: Option<TcpStream>,
    /// The same to the admin listener.
    kept_admin: Option<TcpStream>,
    /// Whether the log has a record of a request.
    is_logged: bool,
    evidence: Evidence,
}

impl<'a> Subject<'a> {
    /// Creates the subject of one probe.
    pub(super) fn new(
        wire: Wire,
        service: Service<'a>,
        scenario: &'static Scenario,
        nonces: &'a mut Nonces,
    ) -> Self {
        let (process, start, admin, log, peers) = match service {
            Service::Process {
                process,
                start,
                peers,
            } => {
                let log = process.output().clone();
                (Some(process), Some(start), None, Some(log), Some(peers))
            }
            Service::Url { admin, log } => (None, None, admin, log.cloned(), None),
        };
        let port = Some(wire.port());
        let admin_port = process.as_ref().map(|process| process.admin_port());
        let authority = peers.as_ref().and_then(|peers| peers.authority.as_ref());
        let certificate_end = authority.and_then(Authority::end);
        Self {
            wire,
            admin,
            process,
            log,
            peers,
            nonces,
            kept: None,
            kept_admin: None,
            is_logged: false,
            evidence: Evidence {
                scenario,
                port,
                admin_port,
                start,
                certificate_end,
                ..Evidence::default()
            },
        }
    }

    /// Adds the configuration of the service: its routes, and the place and field names of its log.
    pub(super) fn configured(mut self, plan: &Plan<'_>) -> Self {
        self.evidence.routes = plan.routes.clone();
        self.evidence.names = plan.names.clone();
        self.evidence.records = plan.records();
        self
    }

    /// Returns the path of a route, such as `(Route::Slow, &[("ms", 300)])`.
    ///
    /// Without the route, the probe sends nothing, and its check calls [`Evidence::require_route`].
    pub(super) fn route(&self, route: Route, values: &[(&str, u64)]) -> Option<String> {
        self.evidence.routes.path(route, values)
    }

    /// Returns the path of a route with a parameter for the nonce, for [`Self::get_marked`].
    pub(super) fn marked_route(&self, route: Route, values: &[(&str, u64)]) -> Option<String> {
        let path = self.route(route, values)?;
        let separator = if path.contains('?') { '&' } else { '?' };
        Some(format!("{path}{separator}plimsoll={{nonce}}"))
    }

    /// Runs the probe's requests and returns the evidence.
    pub(super) async fn observe(mut self, collect: Collect) -> Evidence {
        let meter = LagMeter::start();
        collect(&mut self).await;
        self.evidence.lag = meter.longest();
        self.evidence.spans = self.collector().map_or(Vec::new(), Collector::spans);
        let lines = self.log.as_ref().map(Output::lines);
        if self.process.is_some() {
            return Evidence {
                lines,
                ..self.evidence
            };
        }
        // The log of another service would prove that no record is written.
        let records = match (&lines, self.is_logged) {
            (None, _) => Records::Missing,
            (Some(_), false) => Records::Foreign,
            (Some(_), true) => Records::Stdout,
        };
        Evidence {
            lines: lines.filter(|_| self.is_logged),
            records,
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
        let wire = self.listener(&request).0;
        let exchange = wire.exchange(name, nonce, request).await;
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
        let (wire, kept) = self.listener(&request);
        let exchange = wire.exchange_kept(kept, name, nonce, request).await;
        self.evidence.exchanges.push(exchange);
    }

    /// Opens connections. Those that fail are counted: this process may have too few descriptors.
    pub(super) async fn open(&mut self, wire: Wire, count: usize) -> Vec<TcpStream> {
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.extend(wire.connect().await);
        }
        self.evidence.unopened += count - connections.len();
        connections
    }

    /// Adds exchanges to the evidence.
    pub(super) fn add(&mut self, exchanges: impl IntoIterator<Item = Exchange>) {
        self.evidence.exchanges.extend(exchanges);
    }

    /// Adds a connection of HTTP/2 to the evidence.
    pub(super) fn add_conversation(&mut self, conversation: Conversation) {
        self.evidence.conversations.push(conversation);
    }

    /// Returns the evidence so far, without lines.
    pub(super) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Returns the client of the service, for concurrent requests.
    pub(super) fn wire(&self) -> Wire {
        self.wire
    }

    /// Returns the client for a request, with its open connection.
    fn listener(&mut self, request: &[u8]) -> (Wire, &mut Option<TcpStream>) {
        match self.admin {
            Some(admin) if is_reserved(request) => (admin, &mut self.kept_admin),
            _ => (self.wire, &mut self.kept),
        }
    }

    /// Waits until all records of the requests so far are written.
    ///
    /// A later request marks the end: its record follows theirs.
    pub(super) async fn settle(&mut self) {
        let nonce = self.nonce();
        let id = format!("X-Request-ID: {nonce}");
        let marker = request("GET", &format!("/.plimsoll/{nonce}"), &[&id]);
        self.settle_with(marker, nonce).await;
    }

    /// Waits for records, as [`Self::settle`] does, with other bytes as the later request.
    pub(super) async fn settle_with(&mut self, marker: Vec<u8>, nonce: String) {
        self.send("marker", nonce, marker).await;
        let marker = self.evidence.exchanges.last();
        if let (Some(log), Some(marker)) = (&self.log, marker) {
            let limit = match self.process {
                Some(_) => RECORD_LIMIT,
                None => DISTANT_LIMIT,
            };
            // A command without access records is reported by LOG-3, not here.
            self.is_logged = log.wait_for(&marker.nonce, limit).await;
            sleep(SETTLING).await;
        }
    }

    fn collector(&self) -> Option<&Collector> {
        let peers = self.peers.as_ref()?;
        peers.collector.as_ref()
    }

    /// Waits until the collector has the span of a request. Returns whether it has.
    pub(super) async fn wait_for_span(&self, text: &str, limit: Duration) -> bool {
        match self.collector() {
            Some(collector) => collector.wait_for(text, limit).await,
            None => false,
        }
    }

    /// Sends SIGHUP to the service.
    pub(super) fn reload(&self) {
        if let Some(process) = &self.process {
            process.signal(Signal::HUP);
        }
    }

    /// Waits until a line of the service contains the text.
    pub(super) async fn wait_for_line(&self, text: &str) {
        if let Some(process) = &self.process {
            process.output().wait_for(text, RECORD_LIMIT).await;
        }
    }

    /// Stops reading the output of the service.
    pub(super) fn stop_reading(&mut self) {
        if let Some(process) = &self.process {
            process.output().stop();
        }
    }

    /// Reads the output again.
    pub(super) fn resume_reading(&mut self) {
        if let Some(process) = &self.process {
            process.output().resume();
        }
    }
}

/// Whether the path of a request is one of those that the admin listener answers.
fn is_reserved(request: &[u8]) -> bool {
    let mut words = request.split(|byte| *byte == b' ');
    let target = words.nth(1).unwrap_or_default();
    let path = target.split(|byte| *byte == b'?').next();
    RESERVED.iter().any(|it| Some(it.as_bytes()) == path)
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
pub(super) fn kept_request(method: &str, path: &str, headers: &[&str]) -> Vec<u8> {
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: plimsoll\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request.into_bytes()
}
