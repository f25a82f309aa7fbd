//! A collector of spans: OTLP over HTTP with protobuf.

mod message;
mod span;

use std::{
    future::pending,
    io::{self, Read as _},
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_ENCODING,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

pub(super) use self::span::Span;

/// The most bytes of a batch after its decompression.
const MAX_BATCH: u64 = 64 << 20;

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
    is_first: AtomicBool,
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
            is_first: AtomicBool::new(manner == Manner::RejectsFirst),
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
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        let service = service_fn(move |request| answer(request, shared.clone()));
        // An exporter that has closed its connection needs no answer.
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Empty<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let status = match (shared.manner, head.headers.get(CONTENT_ENCODING)) {
        (Manner::Hangs, _) => pending().await,
        _ if shared.is_first.swap(false, Ordering::Relaxed) => StatusCode::SERVICE_UNAVAILABLE,
        (_, None) => shared.accept(&body),
        (_, Some(encoding)) if encoding == "gzip" => {
            let mut plain = Vec::new();
            match GzDecoder::new(&body[..])
                .take(MAX_BATCH)
                .read_to_end(&mut plain)
            {
                Ok(_) => shared.accept(&plain),
                Err(_) => StatusCode::BAD_REQUEST,
            }
        }
        (_, Some(_)) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    Ok(response)
}

impl Shared {
    fn accept(&self, batch: &[u8]) -> StatusCode {
        match Span::decode(batch) {
            Some(spans) => {
                self.accepted.send_modify(|all| all.extend(spans));
                StatusCode::OK
            }
            None => StatusCode::BAD_REQUEST,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use tokio::{net::TcpStream, time::Instant};

    use crate::wire::Wire;

    use super::*;

    /// A batch with a span of the name `a`.
    const BATCH: &[u8] = b"\x0a\x07\x12\x05\x12\x03\x2a\x01a";

    /// An exporter with one connection.
    struct Exporter(Wire, Option<TcpStream>);

    impl Exporter {
        fn of(collector: &Collector) -> Self {
            let address = (Ipv4Addr::LOCALHOST, collector.port()).into();
            Self(
                Wire::new(address, Instant::now(), Duration::from_secs(10)),
                None,
            )
        }

        /// Sends a batch, and returns the status.
        async fn export(&mut self, headers: &str, body: &[u8]) -> Option<u16> {
            let Self(wire, kept) = self;
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n");
            let request = [head.as_bytes(), body].concat();
            let exchange = wire
                .exchange_kept(kept, "batch", String::new(), request)
                .await;
            assert!(kept.is_some(), "the collector has closed the connection");
            exchange.status()
        }
    }

    #[tokio::test]
    async fn first_batch_is_rejected() {
        let collector = Collector::start(Manner::RejectsFirst).await.unwrap();
        let mut exporter = Exporter::of(&collector);
        let length = format!("Content-Length: {}", BATCH.len());
        assert_eq!(exporter.export(&length, BATCH).await, Some(503));
        assert!(collector.spans().is_empty());
        assert_eq!(exporter.export(&length, BATCH).await, Some(200));
        assert_eq!(collector.spans()[0].name, "a");
        let wrong = exporter.export("Content-Length: 1", b"\xff").await;
        assert_eq!(wrong, Some(400));
    }

    #[tokio::test]
    async fn chunked_and_compressed_batches_are_read() {
        let collector = Collector::start(Manner::Accepts).await.unwrap();
        let mut exporter = Exporter::of(&collector);
        let chunk = format!("{:x}\r\n", BATCH.len());
        let chunks = [chunk.as_bytes(), BATCH, b"\r\n0\r\n\r\n"].concat();
        let status = exporter.export("Transfer-Encoding: chunked", &chunks).await;
        assert_eq!((status, collector.spans().len()), (Some(200), 1));

        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(BATCH).unwrap();
        let packed = encoder.finish().unwrap();
        let headers = |encoding: &str| {
            let length = packed.len();
            format!("Content-Encoding: {encoding}\r\nContent-Length: {length}")
        };
        let status = exporter.export(&headers("gzip"), &packed).await;
        assert_eq!((status, collector.spans().len()), (Some(200), 2));
        let status = exporter.export(&headers("br"), &packed).await;
        assert_eq!((status, collector.spans().len()), (Some(415), 2));
    }
}
