//! One scrape: a GET over a new connection, with limits on time and size.
//!
//! A new connection reaches the process that listens now, and never one that is draining.

use std::{fmt, io, net::SocketAddr, path::PathBuf, pin::pin, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::text::samples;

/// The largest scrape that is read.
const MAX_SCRAPE: usize = 16 << 20;

/// The text format of Prometheus, without exemplars.
const ACCEPT: &str = "text/plain;version=0.0.4";

/// A socket that can be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// A scrape that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The connection was not opened.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The response did not come in time.
    #[error("no response within {}", Time(*.0))]
    Late(Duration),
    /// The response is not complete, or no HTTP.
    #[error("no complete response")]
    Http(#[source] hyper::Error),
    /// The response has another status than 200.
    #[error("status {0} in place of metrics")]
    Status(StatusCode),
    /// The response is longer than 16 MiB.
    #[error("the response has more than 16 MiB")]
    TooLong,
    /// The response is no text.
    #[error("the response is not in UTF-8")]
    NoText,
    /// The response is a text without a sample, such as a page for browsers.
    #[error("the response has no metrics")]
    NoMetrics,
}

impl Endpoint {
    pub(crate) fn address(address: SocketAddr) -> Self {
        Self::Tcp {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }

    /// Returns the body of `path`.
    pub(crate) async fn fetch(&self, path: &str, limit: Duration) -> Result<String, FetchError> {
        let scrape = async {
            match self {
                Self::Tcp { host, port } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await;
                    let host = if host.contains(':') {
                        format!("[{host}]:{port}")
                    } else {
                        format!("{host}:{port}")
                    };
                    get(stream.map_err(FetchError::Connect)?, &host, path).await
                }
                Self::Unix(socket) => {
                    let stream = UnixStream::connect(socket).await;
                    get(stream.map_err(FetchError::Connect)?, "localhost", path).await
                }
            }
        };
        let body = timeout(limit, scrape).await;
        let body = body.map_err(|_| FetchError::Late(limit))??;
        let text = String::from_utf8(body.into()).map_err(|_| FetchError::NoText)?;
        let has_metrics = samples(&text).any(|sample| sample.is_ok());
        has_metrics.then_some(text).ok_or(FetchError::NoMetrics)
    }
}

async fn get(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    path: &str,
) -> Result<Bytes, FetchError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(FetchError::Http)?;
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::ACCEPT, ACCEPT)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .expect("target and host were parsed as a URI, or come from an address");
    let exchange = async {
        let response = sender.send_request(request).await;
        let response = response.map_err(FetchError::Http)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_SCRAPE)
            .collect()
            .await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| match error.downcast::<hyper::Error>() {
                Ok(error) => FetchError::Http(*error),
                Err(error) => {
                    debug_assert!(error.is::<LengthLimitError>(), "{error}");
                    FetchError::TooLong
                }
            })
    };
    let (mut connection, mut exchange) = (pin!(connection), pin!(exchange));
    tokio::select! {
        body = &mut exchange => body,
        // The connection can end before its last bytes are taken. Its error reaches the exchange, too.
        _ = &mut connection => exchange.await,
    }
}

/// A time as text: `2 s`, or `500 ms`.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms if ms % 1000 == 0 => write!(f, "{} s", ms / 1000),
            ms => write!(f, "{ms} ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
        thread,
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Answers one request with the bytes, and closes. The thread returns the request.
    fn peer(answer: impl Into<Vec<u8>>) -> (Endpoint, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::address(listener.local_addr().unwrap());
        let answer = answer.into();
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let request = request(stream.try_clone().unwrap());
            // The client closes early if it rejects the response.
            let _ = stream.write_all(&answer);
            request
        });
        (endpoint, thread)
    }

    /// Reads the whole request: a close with unread bytes would reset the connection.
    fn request(stream: impl io::Read) -> Vec<String> {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.take_while(|line| !line.is_empty()).collect()
    }

    #[tokio::test]
    async fn body_is_fetched_over_a_new_connection() {
        let (endpoint, peer) =
            peer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na 1\n\r\n0\r\n\r\n");
        let body = endpoint.fetch("/metrics", LIMIT).await.unwrap();
        assert_eq!(body, "a 1\n");
        let request = peer.join().unwrap();
        assert_eq!(request[0], "GET /metrics HTTP/1.1");
        assert!(
            request.contains(&"connection: close".to_owned()),
            "{request:?}"
        );
    }

    #[tokio::test]
    async fn unix_socket_is_fetched() {
        let folder = std::env::temp_dir().join(format!("plimsoll-fetch-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            request(stream.try_clone().unwrap());
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\na 1\n").unwrap();
        });
        let body = Endpoint::Unix(path).fetch("/metrics", LIMIT).await.unwrap();
        assert_eq!(body, "a 1\n");
        peer.join().unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn each_failure_has_its_error() {
        let fault = async |answer: Vec<u8>| {
            let (endpoint, _) = peer(answer);
            endpoint
                .fetch("/metrics", LIMIT)
                .await
                .unwrap_err()
                .to_string()
        };
        let fault_of = async |answer: &str| fault(answer.into()).await;
        assert_eq!(fault_of("").await, "no complete response");
        assert_eq!(fault_of("SSH-2.0\r\n\r\n").await, "no complete response");
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na 1\n";
        assert_eq!(fault_of(cut).await, "no complete response");
        let other = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(
            fault_of(other).await,
            "status 404 Not Found in place of metrics"
        );
        let page = "HTTP/1.1 200 OK\r\n\r\n<html>\n";
        assert_eq!(fault_of(page).await, "the response has no metrics");
        let binary = b"HTTP/1.1 200 OK\r\n\r\n\xff".to_vec();
        assert_eq!(fault(binary).await, "the response is not in UTF-8");
        let mut long = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        long.resize(MAX_SCRAPE + 100, b'\n');
        assert_eq!(fault(long).await, "the response has more than 16 MiB");

        let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let refused = Endpoint::address(unused.unwrap());
        let refused = refused.fetch("/metrics", LIMIT).await.unwrap_err();
        assert!(matches!(refused, FetchError::Connect(_)), "{refused}");
    }

    #[tokio::test(start_paused = true)]
    async fn silent_peer_is_late() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = Endpoint::address(listener.local_addr().unwrap());
        let limit = Duration::from_millis(1500);
        let late = silent.fetch("/metrics", limit).await.unwrap_err();
        assert_eq!(late.to_string(), "no response within 1500 ms");
    }
}
