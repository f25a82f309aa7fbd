//! One connection, from its first byte to its end.

mod deadline;
mod http_connection;
mod open;
mod unread_body;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::extract::ConnectInfo;
use http::{Request, Version};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;

use self::{http_connection::serve_http, open::open, unread_body::SettledResponse};
use super::{
    guard::ConnectionGuard,
    http1::MessageScanner,
    http2::{self, FrameFollower, ProgressBody, StreamExecutor, Tunnel},
    io::{LingeringStream, Protocol, Stream, TrackedIo},
    lingering_close::LingeringClose,
    socket::Socket,
    tls::Tls,
    unix_peer::UdsConnectInfo,
};
use crate::{
    connection::{ConnectionState, ConnectionTimeouts, Framing},
    edge::{Edge, MAX_HEAD, Routes},
    lifecycle::{ConnectionTracker, DrainStage},
    metrics::ProtocolError,
    request::{Peer, Scheme},
};

/// The most that is read ahead of a head; what is larger is refused by hyper (contract SRV-3). With
/// no more than a head may have, hyper could not tell a target that is too long from such a head.
#[expect(clippy::cast_possible_truncation, reason = "72 KiB fit into any usize")]
const MAX_AHEAD: usize = MAX_HEAD as usize + 8 * 1024;

/// How long a client over HTTP/1 may be quiet once the drain has begun before its connection is
/// closed. A request that was sent before the drain arrives by then, and its response announces the
/// close.
const LAST_REQUEST_GRACE: Duration = Duration::from_millis(250);

/// A connection and all that it needs.
#[derive(Debug)]
pub(super) struct Connection {
    /// There until it is opened.
    pub(super) socket: Option<Socket>,
    pub(super) state: Arc<ConnectionState>,
    pub(super) peer: Peer,
    /// The peer's address for those who ask axum for it.
    pub(super) addr: Option<SocketAddr>,
    /// The peer's credentials on a unix socket, likewise.
    pub(super) unix_peer: Option<UdsConnectInfo>,
    pub(super) edge: Edge<Routes>,
    pub(super) connections: Arc<ConnectionTracker>,
    pub(super) timeouts: ConnectionTimeouts,
    /// Whether the peer must begin with a PROXY header.
    pub(super) proxied: bool,
    /// TLS, if it is spoken.
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) http2_cleartext: bool,
    /// What is given back when the connection is closed.
    pub(super) guard: Arc<ConnectionGuard>,
}

impl Connection {
    fn meta(&self) -> RequestMeta {
        RequestMeta {
            peer: self.peer,
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

/// Serves a connection until it ends, is given up, or is cut off.
///
/// Must be the whole of a task: the waker is registered once and taken to stay the same.
pub(super) async fn serve(mut connection: Connection) {
    let Some((stream, version)) = open(&mut connection).await else {
        return;
    };
    let lingering = LingeringStream::default();
    let fault = match version {
        Version::HTTP_2 => serve_http2(stream, &connection, &lingering).await,
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
        // It is open still: its I/O holds the guard, which counts the end.
        connections.upgrade_began();
    }
    if let Some(fault) = fault {
        edge.refused(fault, *peer, state.waited());
    }
    // hyper has dropped the I/O, which left its stream here if the close has to linger.
    if let Some(stream) = lingering.take() {
        let cut = connections.reached(DrainStage::Cut);
        let linger = match version {
            Version::HTTP_2 => LingeringClose::after_goaway(timeouts.write),
            _ => LingeringClose::AFTER_REQUEST,
        };
        tokio::select! {
            // The client has had its response, so what it sends now is discarded.
            () = linger.drain(stream) => {}
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
    let (edge, meta) = (connection.edge.clone(), connection.meta());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let length = request.body().size_hint().exact();
        let framing = length.map_or(Framing::Chunked, Framing::Length);
        meta.state.http1().set_framing(framing);
        meta.by(&mut request);
        let (peer, scheme, state) = (meta.peer, meta.scheme, meta.state());
        // Most requests have no body, and to wrap one moves the whole request.
        if request.body().is_end_stream() {
            meta.state.body_began(false);
            return SettledResponse::new(edge.serve(request, peer, scheme, state), None);
        }
        let request = unread_body::watch(request, &meta.state);
        SettledResponse::new(edge.serve(request, peer, scheme, state), Some(meta.state()))
    });
    let protocol = Protocol::Http1(MessageScanner::new());
    let io = TrackedIo::new(
        stream,
        Arc::clone(state),
        protocol,
        Arc::clone(&connection.guard),
        lingering.clone(),
    );
    let http = http1::Builder::new()
        .max_buf_size(MAX_AHEAD)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let fault = serve_http(http, connection).await;
    if state.http1().take_malformed() {
        // Its request was answered, or reset, before anything read that far.
        connection.edge.count(ProtocolError::Malformed);
        return None;
    }
    // Nobody refused a client that went away before its first byte. What was refused may have come in
    // one piece with the request before it, as whose bytes it has been counted.
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
    );
    let _ended_with_the_connection = streams.guard();
    let (edge, meta) = (connection.edge.clone(), connection.meta());
    let connections = Arc::clone(&connection.connections);
    let service = service_fn(move |mut request| {
        http2::join_cookies(&mut request);
        let tunnel = Tunnel::begin(&mut request, &connections, edge.shutdown_token());
        meta.by(&mut request);
        let answer = edge.serve(request, meta.peer, meta.scheme, meta.state());
        async move {
            let answer = answer.await?;
            if let Some(tunnel) = tunnel {
                tunnel.respond(&answer);
            }
            Ok::<_, Infallible>(answer.map(ProgressBody::new))
        }
    });
    let io = TrackedIo::new(
        stream,
        Arc::clone(state),
        Protocol::Http2(FrameFollower::new(connection.edge.registry())),
        Arc::clone(&connection.guard),
        lingering.clone(),
    );
    let http = http2::builder(streams).serve_connection(TokioIo::new(io), service);
    let fault = serve_http(http, connection).await;
    // Between two requests everybody may go away.
    fault.filter(|fault| *fault == ProtocolError::Http2 || state.is_in_head())
}

/// What every request of a connection is told of it.
#[derive(Clone)]
struct RequestMeta {
    peer: Peer,
    addr: Option<SocketAddr>,
    unix_peer: Option<UdsConnectInfo>,
    scheme: Scheme,
    state: Arc<ConnectionState>,
}

impl RequestMeta {
    fn by(&self, request: &mut Request<Incoming>) {
        if let Some(addr) = self.addr {
            request.extensions_mut().insert(ConnectInfo(addr));
        }
        if let Some(peer) = self.unix_peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
    }

    fn state(&self) -> Arc<ConnectionState> {
        Arc::clone(&self.state)
    }
}
