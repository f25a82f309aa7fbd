//! The task of one connection, from its first byte to its close.
//!
//! ```text
//! open (PROXY header, TLS, HTTP version) ─▶ serve_http1 or serve_http2 ─▶ lingering close
//! ```

mod deadline;
mod http_connection;
mod open;
mod parking;
mod unread_body;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::extract::ConnectInfo;
use http::{Request, Version};
use hyper::{
    body::{Body as _, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use self::{
    http_connection::serve_http, open::open, parking::Http1Connection, unread_body::SettledResponse,
};
use super::{
    guard::ConnectionGuard,
    http1::MessageScanner,
    http2::{self, FrameFollower, StreamExecutor, StreamResponse, Tunnel, WithStreams},
    io::{LingeringStream, Protocol, Stream, TrackedIo},
    lingering_close::LingeringClose,
    socket::Socket,
    tls::Tls,
    unix_peer::UdsConnectInfo,
};
use crate::{
    connection::{ConnectionState, ConnectionTimeouts, Framing, Stage},
    edge::{ConnectedEdge, Edge, MAX_HEAD, Routes},
    lifecycle::{ConnectionTracker, DrainStage},
    metrics::ProtocolError,
    request::{Peer, Scheme},
};

/// The limit of hyper's read buffer. hyper rejects a head that does not fit (contract SRV-3).
///
/// It exceeds the limit of a head by 8 KiB. With an equal limit, hyper could not distinguish a head
/// that is too large from a target that is too long.
#[expect(clippy::cast_possible_truncation, reason = "72 KiB fit into any usize")]
const MAX_READ_BUFFER: usize = MAX_HEAD as usize + 8 * 1024;

/// How long an HTTP/1 connection may be idle in the drain before it is closed.
///
/// A request that was sent before the drain arrives within this time, and its response announces the
/// close.
const LAST_REQUEST_GRACE: Duration = Duration::from_millis(250);

/// An accepted connection, with everything that its task needs.
#[derive(Debug)]
pub(super) struct Connection {
    /// `Some` until [`open()`] takes it.
    pub(super) socket: Option<Socket>,
    pub(super) state: Arc<ConnectionState>,
    pub(super) peer: Peer,
    /// The address for axum's extractor `ConnectInfo<SocketAddr>`.
    pub(super) addr: Option<SocketAddr>,
    /// The credentials for the extractor `ConnectInfo<UdsConnectInfo>`.
    pub(super) unix_peer: Option<UdsConnectInfo>,
    pub(super) edge: Edge<Routes>,
    pub(super) connections: Arc<ConnectionTracker>,
    pub(super) timeouts: ConnectionTimeouts,
    /// When the connection reaches `MAX_CONNECTION_AGE`, if there is such a limit.
    pub(super) aged_at: Option<Instant>,
    /// Whether the peer must send a PROXY header.
    pub(super) proxied: bool,
    /// The TLS configuration, if the listener has one.
    pub(super) tls: Option<Arc<Tls>>,
    /// Whether HTTP/2 is accepted without TLS (`HTTP2_CLEARTEXT`).
    pub(super) http2_cleartext: bool,
    /// Released when the connection is closed.
    pub(super) guard: Arc<ConnectionGuard>,
}

impl Connection {
    fn meta(&self) -> RequestMeta {
        RequestMeta {
            addr: self.addr,
            unix_peer: self.unix_peer,
            scheme: match self.tls {
                Some(_) => Scheme::Https,
                None => Scheme::Http,
            },
            state: Arc::clone(&self.state),
        }
    }
}

/// Serves a connection until it ends, times out, or is cut off.
///
/// The future must be a task of its own: its waker is registered once and must not change.
pub(super) async fn serve(mut connection: Connection) {
    // Boxed, like the other parts that an idle connection of HTTP/1 does not need: a task has space for
    // its largest part as long as it lives.
    let Some((stream, version)) = Box::pin(open(&mut connection)).await else {
        return;
    };
    let lingering = LingeringStream::default();
    let fault = match version {
        Version::HTTP_2 => Box::pin(serve_http2(stream, &connection, &lingering)).await,
        _ => serve_http1(stream, &connection, &lingering).await,
    };
    let Connection {
        state,
        edge,
        connections,
        peer,
        timeouts,
        ..
    } = &connection;
    if state.outlives_http() {
        // The connection is still open. Its I/O holds the guard, which counts the end.
        connections.upgrade_began();
    }
    if let Some(fault) = fault {
        edge.record_fault(fault, *peer, state.waited());
    }
    // If the close has to linger, the drop of `TrackedIo` has left its stream here.
    if let Some(stream) = lingering.take() {
        state.observed().set_stage(Stage::LingeringClose);
        let cut = connections.reached(DrainStage::Cut);
        let linger = match version {
            Version::HTTP_2 => LingeringClose::after_goaway(timeouts.write),
            _ => LingeringClose::AFTER_REQUEST,
        };
        tokio::select! {
            // The client has its response, so later input is discarded.
            () = Box::pin(linger.drain(stream)) => {}
            () = state.evicted() => {}
            () = cut => {}
        }
    }
}

async fn serve_http1(
    stream: Stream,
    connection: &Connection,
    lingering: &LingeringStream,
) -> Option<ProtocolError> {
    let state = &connection.state;
    let edge = ConnectedEdge::new(connection.edge.clone(), Arc::clone(state), connection.peer);
    let meta = connection.meta();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let length = request.body().size_hint().exact();
        let framing = length.map_or(Framing::Chunked, Framing::Length);
        meta.state.http1().set_framing(framing);
        meta.insert_into(&mut request);
        // Most requests have no body, and wrapping one would move the whole request.
        if request.body().is_end_stream() {
            meta.state.body_began(false);
            return SettledResponse::new(edge.serve(request, meta.scheme), None);
        }
        let request = unread_body::watch(request, &meta.state);
        let state = Arc::clone(&meta.state);
        SettledResponse::new(edge.serve(request, meta.scheme), Some(state))
    });
    let protocol = Protocol::Http1(MessageScanner::new());
    let io = TrackedIo::new(
        stream,
        Arc::clone(state),
        protocol,
        Arc::clone(&connection.guard),
        lingering.clone(),
    );
    let fault = serve_http(Http1Connection::new(io, service), connection).await;
    if state.http1().take_malformed() {
        // The request ended before the handler read up to the malformed byte.
        connection.edge.count_fault(ProtocolError::Malformed);
        return None;
    }
    // A client that disconnects before sending a byte is not a protocol error. A rejected head may
    // have arrived together with the previous request, so its bytes may be counted as those of that
    // request.
    fault.filter(|fault| fault.is_answered() || state.is_in_head())
}

async fn serve_http2(
    stream: Stream,
    connection: &Connection,
    lingering: &LingeringStream,
) -> Option<ProtocolError> {
    let state = &connection.state;
    state.set_multiplexed();
    let streams = StreamExecutor::new(
        Arc::clone(&connection.connections),
        Arc::clone(state),
        connection.timeouts.write,
        Arc::clone(connection.edge.stalled()),
        Arc::clone(connection.guard.workers()),
    );
    let edge = ConnectedEdge::new(connection.edge.clone(), Arc::clone(state), connection.peer);
    let meta = connection.meta();
    let connections = Arc::clone(&connection.connections);
    let shutdown = connection.edge.shutdown_token().clone();
    let service = service_fn(move |mut request| {
        http2::join_cookies(&mut request);
        let tunnel = Tunnel::begin(&mut request, &connections, &shutdown);
        meta.insert_into(&mut request);
        StreamResponse::new(edge.serve(request, meta.scheme), tunnel)
    });
    let io = TrackedIo::new(
        stream,
        Arc::clone(state),
        Protocol::Http2(FrameFollower::new(connection.edge.registry())),
        Arc::clone(&connection.guard),
        lingering.clone(),
    );
    let http = http2::builder(streams.clone()).serve_connection(TokioIo::new(io), service);
    let fault = serve_http(WithStreams::new(http, streams), connection).await;
    // A client may disconnect between two requests.
    fault.filter(|fault| *fault == ProtocolError::Http2 || state.is_in_head())
}

/// The data of a connection that each of its requests gets.
struct RequestMeta {
    addr: Option<SocketAddr>,
    unix_peer: Option<UdsConnectInfo>,
    scheme: Scheme,
    state: Arc<ConnectionState>,
}

impl RequestMeta {
    /// Inserts the data for axum's extractors.
    fn insert_into(&self, request: &mut Request<Incoming>) {
        if let Some(addr) = self.addr {
            request.extensions_mut().insert(ConnectInfo(addr));
        }
        if let Some(peer) = self.unix_peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
    }
}
