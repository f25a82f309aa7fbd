//! What comes in front of HTTP: a PROXY header, TLS, and the question which HTTP it is.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use http::Version;
use tokio::time::sleep;

use super::{Connection, LAST_REQUEST_GRACE};
use crate::{
    connection::{ConnectionState, ConnectionTimeouts},
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

/// Takes the PROXY header off, shakes hands and finds out what is spoken, as far as that is asked
/// for. Gives nothing if the connection ends here.
pub(super) async fn open(connection: &mut Connection) -> Option<(Stream, Version)> {
    let Connection {
        state,
        connections,
        timeouts,
        ..
    } = &*connection;
    let (state, connections, timeouts) = (Arc::clone(state), Arc::clone(connections), *timeouts);
    let mut socket = connection.socket.take()?;
    let mut ahead = Bytes::new();
    if connection.proxied {
        let header = proxy_protocol::read(&mut socket);
        let fault = match before_http(header, &connections, &state, timeouts).await? {
            Ok((source, rest)) => {
                ahead = rest;
                if let ProxySource::Proxied { source, .. } = source {
                    connection.peer = Peer::Ip(source.ip());
                    connection.addr = Some(source);
                }
                None
            }
            // A balancer's check of the port: nobody did anything wrong.
            Err(OpenError::Failed(ProxyError::Nothing | ProxyError::Io(_))) => return None,
            Err(OpenError::Late) => Some(ProtocolError::HeadTimeout),
            Err(OpenError::Failed(ProxyError::Malformed(_))) => Some(ProtocolError::ProxyHeader),
            Err(OpenError::Failed(_)) => Some(ProtocolError::Incomplete),
        };
        if let Some(fault) = fault {
            connection
                .edge
                .refused(fault, connection.peer, state.waited());
            return None;
        }
    }
    let mut raw = SocketIo::new(socket, ahead, Arc::clone(&state));
    let Some(tls) = &connection.tls else {
        let mut version = Version::HTTP_11;
        if connection.http2_cleartext {
            let asked = http2::has_prior_knowledge(&mut raw);
            match before_http(asked, &connections, &state, timeouts).await? {
                Ok(true) => version = Version::HTTP_2,
                Ok(false) => {}
                // The same as of a head that HTTP/1 would wait for.
                Err(early) => {
                    let fault = match early {
                        OpenError::Late => ProtocolError::HeadTimeout,
                        OpenError::Failed(_) => ProtocolError::Incomplete,
                    };
                    if state.has_sent_bytes() {
                        let edge = &connection.edge;
                        edge.refused(fault, connection.peer, state.waited());
                    }
                    return None;
                }
            }
        }
        return Some((Stream::Left(raw), version));
    };
    let handshake = tls.accept(raw);
    match before_http(handshake, &connections, &state, timeouts).await? {
        Ok((stream, version)) => Some((Stream::Right(stream), version)),
        // A balancer's check of the port, which closes without a byte.
        Err(OpenError::Failed(_)) if !state.has_sent_bytes() => None,
        Err(_) => {
            let fault = ProtocolError::TlsHandshake;
            connection
                .edge
                .refused(fault, connection.peer, state.waited());
            None
        }
    }
}

/// Why something in front of HTTP did not come about.
enum OpenError<E> {
    /// It took longer than a head may take, of whose time it is a part.
    Late,
    Failed(E),
}

/// Waits for what comes in front of HTTP; gives nothing if the connection must go.
async fn before_http<T, E>(
    work: impl Future<Output = Result<T, E>>,
    connections: &ConnectionTracker,
    state: &ConnectionState,
    timeouts: ConnectionTimeouts,
) -> Option<Result<T, OpenError<E>>> {
    let ended = async {
        connections.reached(DrainStage::Draining).await;
        sleep(LAST_REQUEST_GRACE).await;
    };
    let left = timeouts.head.saturating_sub(state.waited());
    tokio::select! {
        // First: what arrived while this worker was busy shows at the same time as the end does.
        biased;
        done = late_timer::timeout(left, work) => Some(match done {
            Ok(result) => result.map_err(OpenError::Failed),
            Err(_) => Err(OpenError::Late),
        }),
        () = ended => None,
        () = state.evicted() => None,
    }
}
