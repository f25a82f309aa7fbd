//! Streams that carry another protocol than HTTP behind the response to CONNECT: WebSockets
//! (RFC 8441), and whatever else a handler accepts.
//!
//! hyper gives such a stream to the holder of the request's `OnUpgrade`, and does not report how long
//! it is used. So the handler gets an `OnUpgrade` of a stream that this module is in the middle of: it
//! counts, keeps the drain waiting, and ends a WebSocket that no code ends.
//!
//! ```text
//! handler ─▶ OnUpgrade ─▶ Bridge ─▶ hyper's upgraded stream ─▶ SendingHalf (a task) ─▶ connection
//! ```
//!
//! Only hyper can make an `OnUpgrade`, and only for a connection. So there is one in memory: its
//! request and its response are written by this module, and what follows them is the stream.

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

/// A stream that its response may turn into another protocol.
#[derive(Debug)]
pub(in crate::server) struct Tunnel {
    accepted: oneshot::Sender<AcceptedTunnel>,
    is_websocket: bool,
    connections: Arc<ConnectionTracker>,
    token: ShutdownToken,
}

impl Tunnel {
    /// Puts a [`Bridge`] between the stream and the handler, if it is one that can be taken over.
    pub(in crate::server) fn begin(
        request: &mut Request<Incoming>,
        connections: &Arc<ConnectionTracker>,
        token: &ShutdownToken,
    ) -> Option<Self> {
        if *request.method() != Method::CONNECT {
            return None;
        }
        let stream = request.extensions_mut().remove::<OnUpgrade>()?;
        let (accepted, accepts) = oneshot::channel();
        let upgrade = bridge(stream, accepts, connections)?;
        request.extensions_mut().insert(upgrade);
        Some(Self {
            accepted,
            is_websocket: asks_for_websocket(request),
            connections: Arc::clone(connections),
            token: token.clone(),
        })
    }

    /// The handler has responded, and hyper begins the stream when this poll goes on.
    pub(in crate::server) fn respond<B>(self, response: &Response<B>) {
        if !response.status().is_success() {
            return;
        }
        let is_kept_open = response.extensions().get::<KeepOpen>().is_some();
        let (open, closed) = oneshot::channel();
        let ends = self.is_websocket && !is_kept_open;
        SENDING.set(Some(SendingHalf {
            closed,
            ended_by: ends.then(|| self.token.clone()),
        }));
        let accepted = AcceptedTunnel {
            end: ends.then(|| WebSocketEnd::behind_the_head(&self.token)),
            _count: (!ends).then(|| TunnelCount::new(Arc::clone(&self.connections))),
            _token: self.connections.token(),
            _open: open,
        };
        // An error means that the client has gone, and the stream with it.
        let _ = self.accepted.send(accepted);
    }
}

/// What is known of the stream once it is accepted.
#[derive(Debug)]
struct AcceptedTunnel {
    /// Of a WebSocket that the drain ends.
    end: Option<Box<WebSocketEnd>>,
    /// Of any other.
    _count: Option<TunnelCount>,
    /// The end of the service waits for the handler.
    _token: TaskTrackerToken,
    /// Its drop signals [`SendingHalf`] that the handler has dropped the stream.
    _open: oneshot::Sender<Infallible>,
}

/// Makes the handler's side of a stream, and starts what connects it.
///
/// Gives nothing if hyper does not hand out an `OnUpgrade` at once, which it does.
fn bridge(
    stream: OnUpgrade,
    accepts: oneshot::Receiver<AcceptedTunnel>,
    connections: &ConnectionTracker,
) -> Option<OnUpgrade> {
    let (opens, opened) = oneshot::channel();
    let (hands_out, mut handed_out) = oneshot::channel();
    let once = Cell::new(Some((stream, accepts, opens, hands_out)));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let once = once.take();
        async move {
            let (stream, accepts, opens, hands_out) = once.ok_or(Refused)?;
            if let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() {
                // An error means that the receiver has been dropped.
                let _ = hands_out.send(upgrade);
            }
            let stream = stream.await.map_err(|_| Refused)?;
            let accepted = accepts.await.map_err(|_| Refused)?;
            let opened = OpenedTunnel {
                stream: TokioIo::new(stream),
                accepted,
            };
            opens.send(opened).map_err(|_| Refused)?;
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(
                header::CONNECTION,
                header::HeaderValue::from_static("upgrade"),
            );
            headers.insert(header::UPGRADE, header::HeaderValue::from_static("stream"));
            Ok::<_, Refused>(response)
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
    // The request is there, so that the service has it when this returns.
    let _ = connection
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    connections.spawn(async move {
        // It ends when the handler has the stream, or will have none.
        let _ = connection.await;
    });
    handed_out.try_recv().ok()
}

/// The stream is not accepted, or gone.
#[derive(Debug, thiserror::Error)]
#[error("the stream was not accepted")]
struct Refused;

/// The connection in memory up to its response, and from then on the stream.
#[derive(Debug)]
struct Bridge {
    /// What hyper has not read of the request.
    request: &'static [u8],
    opened: oneshot::Receiver<OpenedTunnel>,
    open: Option<OpenedTunnel>,
}

/// An accepted stream, in use.
#[derive(Debug)]
struct OpenedTunnel {
    /// Dropped before what counts it.
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
        // hyper looks whether its client goes. There is none, and the task waits for the service.
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
            // The head of the response, which hyper writes in one piece. It is discarded.
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

/// Counts a stream that is waited for like a request.
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
    /// Of the stream that is being polled on this thread, once its response makes a tunnel of it.
    static SENDING: Cell<Option<SendingHalf>> = const { Cell::new(None) };
}

/// The task that sends what a handler writes into its tunnel.
///
/// hyper starts it like any other, in the poll of the stream that it comes from.
pub(super) struct SendingHalf {
    /// Closed when the handler has dropped the stream.
    closed: oneshot::Receiver<Infallible>,
    /// Of a WebSocket that the drain ends.
    ended_by: Option<ShutdownToken>,
}

impl SendingHalf {
    /// Whether the task that is being started is one.
    pub(super) fn take() -> Option<Self> {
        SENDING.take()
    }

    /// The stream that was polled has ended: what has not been started by now never will be.
    pub(super) fn forget() {
        SENDING.set(None);
    }

    /// Sends until the handler drops the stream, and then until the client's timeout, which the drain
    /// cuts short.
    pub(super) async fn run(
        self,
        sending: impl Future<Output = ()>,
        patience: Duration,
        state: Arc<ConnectionState>,
    ) {
        let _unfinished = Unfinished::new(state);
        let mut sending = pin!(sending);
        tokio::select! {
            () = &mut sending => return,
            _ = self.closed => {}
        }
        let overdue = async {
            match &self.ended_by {
                Some(token) => token.overdue().await,
                None => pending().await,
            }
            sleep(CLOSE_ANSWER).await;
        };
        tokio::select! {
            () = sending => {}
            () = sleep(patience) => {}
            () = overdue => {}
        }
    }
}

/// Counts as a request as long as it is open, so that it is no response that is only to be sent.
struct Unfinished(Arc<ConnectionState>);

impl Unfinished {
    fn new(state: Arc<ConnectionState>) -> Self {
        state.request_began();
        Self(state)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.request_ended(tokio::time::Instant::now());
    }
}
