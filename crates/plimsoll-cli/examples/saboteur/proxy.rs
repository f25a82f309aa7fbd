//! Passes requests to the service, one for each connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use crate::{
    encrypted::Encryption, environment, frames, message::Message, proxy_protocol, records::Records,
    relay, responses::Responses,
};

/// The most open connections.
const CONNECTIONS: u32 = 1000;

/// The time of the response that waits for the collector.
const SLOW: Duration = Duration::from_secs(4);

/// The most open connections of the fault that serves no more.
const FULL: usize = 50;

/// The first byte of a client that begins with TLS.
const TLS: u8 = 0x16;

/// The time for the head of a request.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause between two readings of the clock.
const TICK: Duration = Duration::from_millis(50);

/// The time between two readings that only a stop of the process explains.
const STOPPED: Duration = Duration::from_secs(1);

/// A proxy in front of the service.
#[derive(Debug)]
pub(crate) struct Proxy {
    fault: String,
    upstream: SocketAddr,
    records: Arc<Records>,
    responses: Responses,
    is_ending: AtomicBool,
    has_served: AtomicBool,
    /// When a timer last fired, and when requests are lost because it was late.
    ticks: Mutex<(Instant, Instant)>,
    connections: Arc<Semaphore>,
    encryption: Option<Encryption>,
    /// Whether one response was late.
    is_slow: AtomicBool,
    /// Whether a client that is malformed takes the response of another one.
    is_disturbed: AtomicBool,
}

impl Proxy {
    pub(crate) fn new(fault: &str, upstream: SocketAddr, records: Arc<Records>) -> Self {
        Self {
            fault: fault.to_owned(),
            upstream,
            records,
            responses: Responses::new(fault),
            is_ending: AtomicBool::new(false),
            has_served: AtomicBool::new(false),
            ticks: Mutex::new((Instant::now(), Instant::now())),
            connections: Arc::new(Semaphore::new(CONNECTIONS as usize)),
            encryption: Encryption::of_scenario(fault),
            is_slow: AtomicBool::new(false),
            is_disturbed: AtomicBool::new(false),
        }
    }

    /// Accepts connections until the task is aborted.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        if self.fault == "SIG-4:continues" {
            tokio::spawn(self.clone().tick());
        }
        while let Ok((client, _)) = listener.accept().await {
            let permit = self.connections.clone().acquire_owned().await;
            let proxy = self.clone();
            if self.has_limit() && self.open_connections() > FULL {
                continue;
            }
            tokio::spawn(async move {
                // A peer that has closed its connection needs no response.
                let _ = proxy.open(client).await;
                drop(permit);
            });
        }
    }

    /// Notes that SIGTERM has arrived.
    pub(crate) fn begin_end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// Whether SIGTERM has arrived.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// Returns the log.
    pub(crate) fn records(&self) -> &Records {
        &self.records
    }

    /// Whether a client has sent a request. A connection is also opened at a notification.
    pub(crate) fn has_served(&self) -> bool {
        self.has_served.load(Ordering::Relaxed)
    }

    /// Notes times at which the process was stopped.
    async fn tick(self: Arc<Self>) {
        loop {
            self.was_stopped();
            sleep(TICK).await;
        }
    }

    /// Whether the process was stopped a short time ago.
    fn was_stopped(&self) -> bool {
        let now = Instant::now();
        let mut ticks = self.ticks.lock().unwrap_or_else(PoisonError::into_inner);
        if now - ticks.0 > STOPPED {
            ticks.1 = now + STOPPED;
        }
        ticks.0 = now;
        now < ticks.1
    }

    /// Waits until all connections are closed.
    pub(crate) async fn end(&self) {
        let all = self.connections.acquire_many(CONNECTIONS).await;
        all.expect("the semaphore is never closed").forget();
    }

    /// Notes that SIGHUP has arrived.
    pub(crate) fn reload(&self) {
        if let Some(encryption) = &self.encryption {
            encryption.reload();
        }
    }

    /// Whether connections above a limit are closed, instead of those that are silent.
    fn has_limit(&self) -> bool {
        self.fault == "SRV-4:served" && environment::has_limits()
    }

    /// Returns the number of open connections.
    pub(crate) fn open_connections(&self) -> usize {
        CONNECTIONS as usize - self.connections.available_permits()
    }

    async fn open(&self, client: TcpStream) -> std::io::Result<()> {
        let was_ending = self.is_ending();
        let Some(encryption) = &self.encryption else {
            // A client that sends nothing is left to the time for its head.
            let is_http2 = timeout(READ_TIMEOUT, frames::is_http2(&client)).await;
            if is_http2.unwrap_or(false) {
                return frames::pass(&self.fault, client, self.upstream, &self.is_ending).await;
            }
            let connect = TcpStream::connect(self.upstream);
            return self.connection(client, connect, was_ending).await;
        };
        match encryption.open(client, self.upstream).await? {
            // HTTP/2 is negotiated, and no frame is sent.
            Some(_) if self.fault == "H2-1:tls" => Ok(()),
            Some((client, service)) => {
                let connect = async { Ok(service) };
                self.connection(client, connect, was_ending).await
            }
            None => Ok(()),
        }
    }

    async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut client: impl AsyncRead + AsyncWrite + Unpin,
        connect: impl Future<Output = std::io::Result<S>>,
        was_ending: bool,
    ) -> std::io::Result<()> {
        let limit = match self.fault.as_str() {
            "SRV-1:head" => Duration::from_hours(1),
            _ if self.has_limit() => Duration::from_hours(1),
            _ => READ_TIMEOUT,
        };
        let Ok(bytes) = timeout(limit, head(&mut client)).await else {
            return Ok(());
        };
        let bytes = bytes?;
        if self.fault == "SRV-6:beside" && bytes.first() == Some(&TLS) {
            self.is_disturbed.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let (source, bytes) = proxy_protocol::split(&self.fault, &bytes);
        // Those connections are used more than once.
        let is_kept = self.fault == "SRV-2:stall";
        if is_kept || self.has_limit() || relay::is_needed(bytes) {
            let bytes = [&source[..], bytes].concat();
            return relay::run(&self.fault, client, self.upstream, bytes).await;
        }
        let Some(mut request) = Message::parse(bytes) else {
            return Ok(());
        };
        self.has_served.store(true, Ordering::Relaxed);
        if self.fault == "LIFE-5:lost" && was_ending && request.word(1) == "/" {
            return Ok(());
        }
        if self.fault == "SRV-3:host" && request.count("host") == 0 {
            request.set_header("host", "localhost");
        }
        self.responses.change_request(&mut request);
        // The end of the connection is the end of the response.
        request.set_header("connection", "close");
        if self.fault == "MET-5:exact" && request.header("x-request-id").is_none() {
            let mut twice = TcpStream::connect(self.upstream).await?;
            twice.write_all(&request.bytes()).await?;
            twice.read_to_end(&mut Vec::new()).await?;
        }
        let mut service = connect.await?;
        service
            .write_all(&[source, request.bytes()].concat())
            .await?;
        let mut answer = Vec::new();
        let mut more = [0];
        tokio::select! {
            read = service.read_to_end(&mut answer) => { read?; }
            // The client has disconnected, and so does this side.
            _ = client.read(&mut more) => return Ok(()),
        }
        let Some(mut response) = Message::parse(&answer) else {
            return Ok(());
        };
        self.responses.change(&request, &mut response);
        if self.fault == "TRC-6:requests" && environment::is_collector_stuck() {
            let is_page = request.word(1).starts_with("/?");
            if is_page && !self.is_slow.swap(true, Ordering::Relaxed) {
                sleep(SLOW).await;
            }
        }
        for record in self.records.of_request(&request) {
            self.records.write(format!("{record}\n")).await;
        }
        self.records.wait().await;
        let is_ending = self.is_ending();
        if self.fault == "LIFE-1:in-flight" && is_ending && !was_ending {
            return Ok(());
        }
        if self.is_disturbed.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        if self.fault == "SIG-4:continues" && self.was_stopped() {
            return Ok(());
        }
        if self.fault == "LIFE-2:close" && is_ending {
            response.remove_header("connection");
        }
        client.write_all(&response.bytes()).await
    }
}

/// Reads the head of a request, and what has arrived with it.
async fn head(client: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while !relay::has_head(&bytes) && client.read_buf(&mut bytes).await? > 0 {}
    Ok(bytes)
}
