//! A collector of spans: OTLP over HTTP with protobuf.

mod message;
mod span;

use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

pub(super) use self::span::Span;

/// The behaviour of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// All batches are accepted.
    Accepts,
    /// The first batch is rejected with 503, further ones are accepted.
    RejectsFirst,
    /// No batch is answered.
    Hangs,
}

/// A collector that runs until it is dropped.
#[derive(Debug)]
pub(super) struct Collector {
    port: u16,
    received: watch::Receiver<Vec<Span>>,
    task: JoinHandle<()>,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    manner: Manner,
    /// Whether the next batch is rejected.
    is_first: Mutex<bool>,
    accepted: watch::Sender<Vec<Span>>,
}

impl Collector {
    /// Starts a collector on a free port of the loopback address.
    ///
    /// # Errors
    ///
    /// The error of the system if no port is free.
    pub(super) async fn start(manner: Manner) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (accepted, received) = watch::channel(Vec::new());
        let shared = Arc::new(Shared {
            manner,
            is_first: Mutex::new(manner == Manner::RejectsFirst),
            accepted,
        });
        Ok(Self {
            port,
            received,
            task: tokio::spawn(serve(listener, shared)),
        })
    }

    /// Returns the number of the port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the spans that were accepted so far.
    pub(super) fn spans(&self) -> Vec<Span> {
        self.received.borrow().clone()
    }

    /// Waits until a span contains the text. Returns whether one does.
    pub(super) async fn wait_for(&self, text: &str, limit: Duration) -> bool {
        let mut received = self.received.clone();
        let has = |spans: &Vec<Span>| spans.iter().any(|span| span.contains(text));
        matches!(timeout(limit, received.wait_for(has)).await, Ok(Ok(_)))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // An exporter that has closed its connection needs no answer.
        connections.spawn(answer(stream, shared.clone()));
    }
}

/// Answers the requests of a connection, one after the other.
async fn answer(mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let body = loop {
            if let Some((body, length)) = body(&bytes) {
                bytes.drain(..length);
                break body;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        if shared.manner == Manner::Hangs {
            continue;
        }
        let is_first = {
            let mut is_first = shared
                .is_first
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *is_first)
        };
        let status = match Span::decode(&body) {
            _ if is_first => "503 Service Unavailable",
            Some(spans) => {
                shared.accepted.send_modify(|all| all.extend(spans));
                "200 OK"
            }
            None => "400 Bad Request",
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
    }
}

/// Returns the body of the first request, and the length of that request, once it is complete.
fn body(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.split("\r\n").find_map(|line| {
        let value = line.strip_prefix("content-length:")?;
        value.trim().parse::<usize>().ok()
    });
    let all = end + length.unwrap_or(0);
    Some((bytes.get(end..all)?.to_vec(), all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn first_batch_is_rejected() {
        let collector = Collector::start(Manner::RejectsFirst).await.unwrap();
        let address = (Ipv4Addr::LOCALHOST, collector.port());
        let mut stream = TcpStream::connect(address).await.unwrap();
        for status in ["503", "200", "400"] {
            let body: &[u8] = if status == "400" { b"\xff" } else { b"" };
            let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
            let request = [head.as_bytes(), body].concat();
            stream.write_all(&request).await.unwrap();
            let mut answer = vec![0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            assert!(answer.ends_with(status.as_bytes()));
            while !answer.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut answer).await.unwrap();
            }
        }
        assert!(collector.spans().is_empty());
    }
}
