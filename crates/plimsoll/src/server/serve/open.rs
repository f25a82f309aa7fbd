//! The part of a connection before HTTP: PROXY header, TLS handshake, HTTP version.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use http::Version;
use tokio::time::sleep;

use super::{Connection, LAST_REQUEST_GRACE};
use crate::{
    connection::{ConnectionState, ConnectionTimeouts, Stage},
    late_timer,
    lifecycle::{ConnectionTracker, DrainStage},
    metrics::ProtocolError,
    request::Peer,
    server::{
        http2,
        io::{SocketIo, Stream},
        proxy_protocol::{self, ProxyError, ProxySource},
    },
};

/// Reads the PROXY header, performs the TLS handshake and detects the HTTP version, as configured.
///
/// Returns `None` if the connection is to be closed. Protocol errors have been reported then.
pub(super) async fn open(connection: &mut Connection) -> Option<(Stream, Version)> {
    let Connection {
        state,
        connections,
        timeouts,
        ..
    } = &*connection;
    let (state, connections, timeouts) = (Arc::clone(state), Arc::clone(connections), *timeouts);
    let mut socket = connection.socket.take()?;
    let mut read_ahead = Bytes::new();
    if connection.proxied {
        state.observed().set_stage(Stage::ProxyHeader);
        let header = proxy_protocol::read(&mut socket);
        let fault = match before_http(header, &connections, &state, timeouts).await? {
            Ok((source, rest)) => {
                state.observed().set_stage(Stage::Accepted);
                read_ahead = rest;
                if let ProxySource::Proxied { source, .. } = source {
                    connection.peer = Peer::Ip(source.ip());
                    connection.addr = Some(source);
                    state.observed().set_peer(source);
                }
                None
            }
            // A load balancer's port check, which is not a protocol error.
            Err(OpenError::Failed(ProxyError::Nothing | ProxyError::Io(_))) => return None,
            Err(OpenError::Timeout) => Some(ProtocolError::HeadTimeout),
            Err(OpenError::Failed(ProxyError::Malformed(_))) => Some(ProtocolError::ProxyHeader),
            Err(OpenError::Failed(_)) => Some(ProtocolError::Incomplete),
        };
        if let Some(fault) = fault {
            connection
                .edge
                .record_fault(fault, connection.peer, state.waited());
            return None;
        }
    }
    let mut io = SocketIo::new(socket, read_ahead, Arc::clone(&state));
    let Some(tls) = &connection.tls else {
        let mut version = Version::HTTP_11;
        if connection.http2_cleartext {
            let preface = http2::has_prior_knowledge(&mut io);
            match before_http(preface, &connections, &state, timeouts).await? {
                Ok(true) => version = Version::HTTP_2,
                Ok(false) => {}
                // Reported like an incomplete head of HTTP/1.
                Err(error) => {
                    let fault = match error {
                        OpenError::Timeout => ProtocolError::HeadTimeout,
                        OpenError::Failed(_) => ProtocolError::Incomplete,
                    };
                    if state.has_sent_bytes() {
                        let edge = &connection.edge;
                        edge.record_fault(fault, connection.peer, state.waited());
                    }
                    return None;
                }
            }
        }
        return Some((Stream::Left(io), version));
    };
    state.observed().set_stage(Stage::TlsHandshake);
    let handshake = tls.accept(io);
    match before_http(handshake, &connections, &state, timeouts).await? {
        Ok((stream, version)) => Some((Stream::Right(stream), version)),
        // A load balancer's port check, which closes without sending a byte.
        Err(OpenError::Failed(_)) if !state.has_sent_bytes() => None,
        Err(_) => {
            let fault = ProtocolError::TlsHandshake;
            connection
                .edge
                .record_fault(fault, connection.peer, state.waited());
            None
        }
    }
}

/// The error of a step before HTTP.
enum OpenError<E> {
    /// The step did not complete within the timeout of a head, which includes it.
    Timeout,
    Failed(E),
}

/// Runs a step before HTTP. Returns `None` if the drain or an eviction closes the connection.
async fn before_http<T, E>(
    work: impl Future<Output = Result<T, E>>,
    connections: &ConnectionTracker,
    state: &ConnectionState,
    timeouts: ConnectionTimeouts,
) -> Option<Result<T, OpenError<E>>> {
    let drain_grace_ended = async {
        connections.reached(DrainStage::Draining).await;
        sleep(LAST_REQUEST_GRACE).await;
    };
    let remaining = timeouts.head.saturating_sub(state.waited());
    tokio::select! {
        // Input that arrived while this worker was busy becomes ready together with the drain. It is
        // polled first, so that it is handled.
        biased;
        done = late_timer::timeout(remaining, work) => Some(match done {
            Ok(result) => result.map_err(OpenError::Failed),
            Err(_) => Err(OpenError::Timeout),
        }),
        () = drain_grace_ended => None,
        () = state.evicted() => None,
    }
}
