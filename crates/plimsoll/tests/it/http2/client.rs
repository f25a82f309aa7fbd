//! A client of HTTP/2 that can keep windows closed and stop in the middle of a request.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::request::Builder;
use http::{HeaderMap, Request, StatusCode};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

/// Above every limit that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The bytes that begin every connection.
pub(crate) const PREFACE_AND_SETTINGS: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// Returns a frame (RFC 9113, 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a frame is short")
        .to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Returns a whole request for `/hello` on stream 1: GET, http, the path and the authority as
/// literals.
pub(super) fn get_hello() -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, 6];
    block.extend(b"/hello");
    block.extend([0x01, 1, b'a']);
    frame(1, 0x05, 1, &block)
}

pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("there is a runtime to be had")
        .block_on(async { timeout(PATIENCE * 3, work).await })
        .expect("the test comes to its end")
}

/// A connection.
pub(super) struct Client {
    pub(super) requests: SendRequest<Bytes>,
    pub(super) ping: h2::PingPong,
    pub(super) over: watch::Receiver<bool>,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self::connect_with_window(addr, 65_535).await
    }

    /// Connects with an initial window of this many bytes for each response.
    pub(crate) async fn connect_with_window(addr: SocketAddr, window: u32) -> Self {
        let stream = TcpStream::connect(addr)
            .await
            .expect("connections are taken");
        stream.set_nodelay(true).expect("it can be set");
        let mut builder = h2::client::Builder::new();
        // One slow stream must not block the others.
        builder.initial_connection_window_size(8 << 20);
        builder.initial_window_size(window);
        let spoken = builder.handshake(stream).await;
        let (requests, mut connection) = spoken.expect("h2 is spoken");
        let ping = connection.ping_pong().expect("it is asked for once");
        let (ended, over) = watch::channel(false);
        tokio::spawn(async move {
            // The requests report how the connection ends.
            let _ = connection.await;
            ended.send_replace(true);
        });
        Self {
            requests,
            ping,
            over,
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Builder {
        Request::builder()
            .method(method)
            .uri(format!("http://localhost{path}"))
    }

    pub(crate) async fn send(&mut self, request: Builder) -> Answer {
        let request = request.body(()).expect("the request is valid");
        self.ready().await;
        let (answer, _) = self
            .requests
            .send_request(request, true)
            .expect("it is sent");
        Pending(answer).finish().await
    }

    /// Requests a stream of another protocol (RFC 8441, 4).
    pub(crate) async fn open_tunnel(&mut self, path: &str, protocol: &'static str) -> Tunnel {
        // The service must have announced support in its SETTINGS.
        self.ping().await;
        let request = self
            .request("CONNECT", path)
            .header("sec-websocket-version", "13")
            .extension(h2::ext::Protocol::from_static(protocol))
            .body(())
            .expect("the request is valid");
        self.ready().await;
        let (answer, sender) = self
            .requests
            .send_request(request, false)
            .expect("the service takes extended CONNECT");
        let answer = timeout(PATIENCE, answer).await.expect("an answer comes");
        let (head, receiver) = answer.expect("it is no error").into_parts();
        Tunnel {
            status: head.status,
            headers: head.headers,
            sender,
            receiver,
        }
    }

    /// Sends a request and reads nothing of its response.
    pub(crate) async fn begin(&mut self, path: &str) -> Pending {
        self.try_begin(path).await.expect("it is sent")
    }

    /// Sends a request, unless the client has seen GOAWAY.
    pub(crate) async fn try_begin(&mut self, path: &str) -> Option<Pending> {
        let request = self
            .request("GET", path)
            .body(())
            .expect("the request is valid");
        poll_fn(|cx| self.requests.poll_ready(cx)).await.ok()?;
        let (answer, _) = self.requests.send_request(request, true).ok()?;
        Some(Pending(answer))
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = self.request("GET", path);
        self.send(request).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        self.upload(path, body, true).await
    }

    /// Sends a body without an end.
    pub(crate) async fn post_half(&mut self, path: &str, body: &[u8]) -> Answer {
        self.upload(path, body, false).await
    }

    pub(super) async fn upload(&mut self, path: &str, body: &[u8], ends: bool) -> Answer {
        let request = self
            .request("POST", path)
            .body(())
            .expect("the request is valid");
        self.ready().await;
        let (answer, mut stream) = self
            .requests
            .send_request(request, false)
            .expect("it is sent");
        // The service may reject it before reading everything.
        let _ = stream.send_data(Bytes::copy_from_slice(body), ends);
        let answer = Pending(answer).finish().await;
        drop(stream);
        answer
    }

    pub(crate) async fn ping(&mut self) {
        self.ping
            .ping(h2::Ping::opaque())
            .await
            .expect("a ping is answered");
    }

    /// Waits until the service has ended the connection.
    pub(crate) async fn ended(&self) {
        let mut over = self.over.clone();
        let waited = timeout(PATIENCE, over.wait_for(|over| *over)).await;
        assert!(waited.is_ok(), "the connection goes on");
    }

    pub(super) async fn ready(&mut self) {
        poll_fn(|cx| self.requests.poll_ready(cx))
            .await
            .expect("the connection takes a request");
    }
}

/// A request that was sent.
pub(super) struct Pending(ResponseFuture);

impl Pending {
    /// Reads the whole response.
    pub(crate) async fn finish(self) -> Answer {
        self.finish_slowly(Duration::ZERO).await
    }

    /// Reads the whole response. `None` if GOAWAY excludes the request, which was not handled then (RFC
    /// 9113, 6.8).
    pub(crate) async fn finish_unless_excluded(self) -> Option<Answer> {
        let answer = timeout(PATIENCE, self.0).await.expect("an answer comes");
        let (head, body) = match answer {
            Ok(answer) => answer.into_parts(),
            Err(error) => {
                let is_excluded =
                    error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
                assert!(is_excluded && error.is_remote(), "{error}");
                return None;
            }
        };
        Some(Answer {
            status: head.status,
            headers: head.headers,
            body: read(body, Duration::ZERO).await,
        })
    }

    /// Reads the whole response, with pauses.
    pub(crate) async fn finish_slowly(self, pause: Duration) -> Answer {
        let answer = timeout(PATIENCE, self.0).await.expect("an answer comes");
        let (head, body) = answer.expect("it is no error").into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: read(body, pause).await,
        }
    }
}

/// A whole response.
pub(super) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }
}

/// A stream of another protocol, if its status is 200.
pub(super) struct Tunnel {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(super) sender: SendStream<Bytes>,
    pub(super) receiver: RecvStream,
}

impl Tunnel {
    pub(crate) fn send(&mut self, bytes: impl Into<Bytes>) {
        let sent = self.sender.send_data(bytes.into(), false);
        sent.expect("the stream is open");
    }

    pub(crate) fn reset(&mut self) {
        self.sender.send_reset(h2::Reason::CANCEL);
    }

    /// Returns the next bytes, or `None` at the end. If the stream was reset, returns the error.
    pub(crate) async fn next(&mut self) -> Result<Bytes, h2::Error> {
        let next = timeout(PATIENCE, self.receiver.data()).await;
        let Some(bytes) = next.expect("bytes come, or the end") else {
            return Ok(Bytes::new());
        };
        let bytes = bytes?;
        // A stream that has ended releases no window.
        let _ = self.receiver.flow_control().release_capacity(bytes.len());
        Ok(bytes)
    }

    /// Waits until the service resets the stream, and reads nothing.
    pub(crate) async fn is_reset(&mut self) {
        let reset = poll_fn(|cx| self.sender.poll_reset(cx));
        let reset = timeout(PATIENCE, reset).await.expect("it is reset");
        reset.expect("the connection goes on");
    }

    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = self.next().await.expect("the stream ends by itself");
            if bytes.is_empty() && self.receiver.is_end_stream() {
                return all;
            }
            all.extend(bytes);
        }
    }
}

/// Bytes that are read between two pauses.
const PIECE: usize = 256 * 1024;

async fn read(mut stream: RecvStream, pause: Duration) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.expect("the body is whole");
        if !pause.is_zero() && body.len() % PIECE + data.len() >= PIECE {
            tokio::time::sleep(pause).await;
        }
        let window = stream.flow_control().release_capacity(data.len());
        window.expect("what was taken may be given back");
        body.extend_from_slice(&data);
    }
    body
}
