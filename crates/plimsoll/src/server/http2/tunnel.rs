//! Tunnels: HTTP/2 streams that carry another protocol after the response to CONNECT, such as
//! WebSockets (RFC 8441).
//!
//! hyper passes such a stream to the holder of the request's `OnUpgrade`, and does not report how
//! long it is in use. So the handler gets an `OnUpgrade` for a [`Bridge`] to the stream. The bridge
//! counts the stream, makes the drain wait for it, and closes a WebSocket that the handler does not
//! close.
//!
//! ```text
//! handler ─▶ OnUpgrade ─▶ Bridge ─▶ hyper's upgraded stream ─▶ SendingHalf (a task) ─▶ connection
//! ```
//!
//! Only hyper can create an `OnUpgrade`, and only for a connection. So the bridge is a connection in
//! memory. This module writes its request and its response, and the bytes after them are the stream.

use std::{
    cell::Cell,
    convert::Infallible,
    future::pending,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::service_fn,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
    time::sleep,
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{
    connection::ConnectionState,
    edge::asks_for_websocket,
    lifecycle::ConnectionTracker,
    server::websocket::WebSocketEnd,
    shutdown::{CLOSE_ANSWER, KeepOpen, ShutdownToken},
};

/// The request on the connection in memory.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: stream\r\n\r\n";

/// A CONNECT request that becomes a tunnel if its response accepts it.
#[derive(Debug)]
pub(in crate::server) struct Tunnel {
    accept: oneshot::Sender<AcceptedTunnel>,
    is_websocket: bool,
    connections: Arc<ConnectionTracker>,
    token: ShutdownToken,
}

impl Tunnel {
    /// Puts a [`Bridge`] between the stream and the handler, if the request is CONNECT.
    pub(in crate::server) fn begin(
        request: &mut Request<Incoming>,
        connections: &Arc<ConnectionTracker>,
        token: &ShutdownToken,
    ) -> Option<Box<Self>> {
        if *request.method() != Method::CONNECT {
            return None;
        }
        let stream = request.extensions_mut().remove::<OnUpgrade>()?;
        let (accept, accepted) = oneshot::channel();
        let upgrade = bridge(stream, accepted, connections)?;
        request.extensions_mut().insert(upgrade);
        // Boxed, because most requests have none.
        Some(Box::new(Self {
            accept,
            is_websocket: asks_for_websocket(request),
            connections: Arc::clone(connections),
            token: token.clone(),
        }))
    }

    /// Accepts the tunnel if the response does. hyper opens the stream later in the same poll.
    pub(in crate::server) fn respond<B>(self, response: &Response<B>) {
        if !response.status().is_success() {
            return;
        }
        let is_kept_open = response.extensions().get::<KeepOpen>().is_some();
        let (in_use, closed) = oneshot::channel();
        let closes_in_drain = self.is_websocket && !is_kept_open;
        SENDING.set(Some(SendingHalf {
            closed,
            shutdown: closes_in_drain.then(|| self.token.clone()),
        }));
        let accepted = AcceptedTunnel {
            end: closes_in_drain.then(|| WebSocketEnd::after_head(&self.token)),
            _count: (!closes_in_drain).then(|| TunnelCount::new(Arc::clone(&self.connections))),
            _token: self.connections.token(),
            _in_use: in_use,
        };
        // An error means that the client has reset the stream.
        let _ = self.accept.send(accepted);
    }
}

/// What a tunnel holds while the handler uses it.
#[derive(Debug)]
struct AcceptedTunnel {
    /// The close of a WebSocket by the drain.
    end: Option<Box<WebSocketEnd>>,
    /// The count of any other protocol, for which the drain waits.
    _count: Option<TunnelCount>,
    /// Makes the end of the service wait for the handler.
    _token: TaskTrackerToken,
    /// Its drop signals to [`SendingHalf`] that the handler has dropped the stream.
    _in_use: oneshot::Sender<Infallible>,
}

/// Creates the handler's side of a stream, and spawns the task that connects it.
///
/// Returns `None` if hyper does not pass on an `OnUpgrade` in the first poll. It always does.
fn bridge(
    stream: OnUpgrade,
    accepted: oneshot::Receiver<AcceptedTunnel>,
    connections: &ConnectionTracker,
) -> Option<OnUpgrade> {
    let (open, opened) = oneshot::channel();
    let (upgrade_sender, mut upgrade_receiver) = oneshot::channel();
    let once = Cell::new(Some((stream, accepted, open, upgrade_sender)));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let once = once.take();
        async move {
            let (stream, accepted, open, upgrade_sender) = once.ok_or(NotAccepted)?;
            if let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() {
                // An error means that the receiver has been dropped.
                let _ = upgrade_sender.send(upgrade);
            }
            let stream = stream.await.map_err(|_| NotAccepted)?;
            let accepted = accepted.await.map_err(|_| NotAccepted)?;
            let opened = OpenedTunnel {
                stream: TokioIo::new(stream),
                accepted,
            };
            open.send(opened).map_err(|_| NotAccepted)?;
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(
                header::CONNECTION,
                header::HeaderValue::from_static("upgrade"),
            );
            headers.insert(header::UPGRADE, header::HeaderValue::from_static("stream"));
            Ok::<_, NotAccepted>(response)
        }
    });
    let bridge = Bridge {
        request: REQUEST,
        opened,
        open: None,
    };
    let mut connection = Box::pin(
        http1::Builder::new()
            .serve_connection(TokioIo::new(bridge), service)
            .with_upgrades(),
    );
    // The whole request can be read, so this poll passes it to the service.
    let _ = connection
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    connections.spawn(async move {
        // It ends when the handler has the stream, or cannot get it. The error is that of the
        // handler's `OnUpgrade`.
        let _ = connection.await;
    });
    upgrade_receiver.try_recv().ok()
}

/// The stream was not accepted, or the client has reset it.
#[derive(Debug, thiserror::Error)]
#[error("the stream was not accepted")]
struct NotAccepted;

/// The I/O of the connection in memory: its request and its response, and then the stream.
#[derive(Debug)]
struct Bridge {
    /// The part of the request that hyper has not read.
    request: &'static [u8],
    opened: oneshot::Receiver<OpenedTunnel>,
    open: Option<OpenedTunnel>,
}

/// An accepted stream in use.
#[derive(Debug)]
struct OpenedTunnel {
    /// Dropped before `accepted`, which counts it.
    stream: TokioIo<Upgraded>,
    accepted: AcceptedTunnel,
}

impl AsyncRead for Bridge {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.request.is_empty() {
            let count = self.request.len().min(buf.remaining());
            buf.put_slice(&self.request[..count]);
            self.request = &self.request[count..];
            return Poll::Ready(Ok(()));
        }
        // hyper reads to detect a disconnect. There is no client, and the service wakes the task.
        let Some(OpenedTunnel { stream, accepted }) = &mut self.open else {
            return Poll::Pending;
        };
        if let Some(end) = &mut accepted.end
            && end.poll_ended(cx, stream)
        {
            return Poll::Ready(Ok(()));
        }
        Pin::new(stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Bridge {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(OpenedTunnel { stream, accepted }) = &mut self.open else {
            // The head of the response, which hyper writes in one call. It is discarded.
            self.open = self.opened.try_recv().ok();
            return Poll::Ready(Ok(buf.len()));
        };
        match &mut accepted.end {
            Some(end) => end.poll_write(cx, stream, buf),
            None => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.open {
            Some(OpenedTunnel { stream, accepted }) => match &mut accepted.end {
                Some(end) => end.poll_flush(cx, stream),
                None => Pin::new(stream).poll_flush(cx),
            },
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.open {
            Some(opened) => Pin::new(&mut opened.stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// Counts a tunnel for which the drain waits as for a request.
#[derive(Debug)]
struct TunnelCount(Arc<ConnectionTracker>);

impl TunnelCount {
    fn new(connections: Arc<ConnectionTracker>) -> Self {
        connections.upgrade_began();
        Self(connections)
    }
}

impl Drop for TunnelCount {
    fn drop(&mut self) {
        self.0.upgrade_ended();
    }
}

thread_local! {
    /// The sending half of the stream that is being polled on this thread, if its response has
    /// accepted a tunnel. hyper spawns the task of the half in the same poll.
    static SENDING: Cell<Option<SendingHalf>> = const { Cell::new(None) };
}

/// The limits of the task that sends the bytes of a tunnel to the client.
///
/// hyper spawns that task with the executor of the streams, in the poll of the stream itself.
pub(super) struct SendingHalf {
    /// Closed when the handler has dropped the stream.
    closed: oneshot::Receiver<Infallible>,
    /// The token of the drain that closes a WebSocket.
    shutdown: Option<ShutdownToken>,
}

impl SendingHalf {
    /// Takes the half, if the task that is being spawned sends the bytes of a tunnel.
    pub(super) fn take() -> Option<Self> {
        SENDING.take()
    }

    /// Discards a half whose task was not spawned before its stream ended.
    pub(super) fn discard() {
        SENDING.set(None);
    }

    /// Runs the task until the handler drops the stream, and then for at most `write_timeout`, which
    /// the drain shortens.
    pub(super) async fn run(
        self,
        sending: impl Future<Output = ()>,
        write_timeout: Duration,
        state: Arc<ConnectionState>,
    ) {
        let _count = RequestCount::new(state);
        let mut sending = pin!(sending);
        tokio::select! {
            () = &mut sending => return,
            _ = self.closed => {}
        }
        let overdue = async {
            match &self.shutdown {
                Some(token) => token.overdue().await,
                None => pending().await,
            }
            sleep(CLOSE_ANSWER).await;
        };
        tokio::select! {
            () = sending => {}
            () = sleep(write_timeout) => {}
            () = overdue => {}
        }
    }
}

/// Counts an open tunnel as a request, so that it does not count as an unsent response.
struct RequestCount(Arc<ConnectionState>);

impl RequestCount {
    fn new(state: Arc<ConnectionState>) -> Self {
        state.request_began();
        Self(state)
    }
}

impl Drop for RequestCount {
    fn drop(&mut self) {
        self.0.request_ended(tokio::time::Instant::now());
    }
}
