//! Passes requests to the service, one for each connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{
    encrypted::Encryption, environment, frames, message::Message, proxy_protocol, records::Records,
    responses::Responses,
};

/// The most open connections.
const CONNECTIONS: u32 = 1000;

/// The time of the response that waits for the collector.
const SLOW: Duration = Duration::from_secs(4);

/// The time for the head of a request.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// A proxy in front of the service.
#[derive(Debug)]
pub(crate) struct Proxy {
    fault: String,
    upstream: SocketAddr,
    records: Arc<Records>,
    responses: Responses,
    is_ending: AtomicBool,
    connections: Arc<Semaphore>,
    encryption: Option<Encryption>,
    /// Whether one response was late.
    is_slow: AtomicBool,
}

impl Proxy {
    pub(crate) fn new(fault: &str, upstream: SocketAddr, records: Arc<Records>) -> Self {
        Self {
            fault: fault.to_owned(),
            upstream,
            records,
            responses: Responses::new(fault),
            is_ending: AtomicBool::new(false),
            connections: Arc::new(Semaphore::new(CONNECTIONS as usize)),
            encryption: Encryption::of_scenario(fault),
            is_slow: AtomicBool::new(false),
        }
    }

    /// Accepts connections until the task is aborted.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            let permit = self.connections.clone().acquire_owned().await;
            let proxy = self.clone();
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

    async fn open(&self, client: TcpStream) -> std::io::Result<()> {
        let was_ending = self.is_ending.load(Ordering::Relaxed);
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
            _ => READ_TIMEOUT,
        };
        let Ok(bytes) = timeout(limit, head(&mut client)).await else {
            return Ok(());
        };
        let bytes = bytes?;
        let (source, bytes) = proxy_protocol::split(&self.fault, &bytes);
        let Some(mut request) = Message::parse(bytes) else {
            return Ok(());
        };
        if self.fault == "SRV-3:host" && request.count("host") == 0 {
            request.set_header("host", "localhost");
        }
        self.responses.change_request(&mut request);
        // The end of the connection is the end of the response.
        request.set_header("connection", "close");
        let mut service = connect.await?;
        service
            .write_all(&[source, request.bytes()].concat())
            .await?;
        let mut answer = Vec::new();
        service.read_to_end(&mut answer).await?;
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
            println!("{record}");
        }
        let is_ending = self.is_ending.load(Ordering::Relaxed);
        if self.fault == "LIFE-1:in-flight" && is_ending && !was_ending {
            return Ok(());
        }
        client.write_all(&response.bytes()).await
    }
}

/// Reads the head of a request. The requests of `verify` have no body.
async fn head(client: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") && client.read_buf(&mut bytes).await? > 0 {}
    Ok(bytes)
}
