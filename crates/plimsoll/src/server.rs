//! Connections: from the socket to the edge.
//!
//! ```text
//! Bound ──listen──▶ Listener ──accept──▶ connection ──▶ Edge
//! ```
//!
//! The address is bound while the service starts, so that a clash is found at once, and listened on
//! when it is ready, so that nobody is kept in a queue that nobody empties. A socket that the service
//! manager hands over is listened on before and after the service ([`inherited`]).
//!
//! # Why not `axum::serve`
//!
//! In axum 0.8 it arms no timer for the request head, has no deadline for its drain, and does not say
//! when a connection is idle. The last matters most: hyper's own timer for the head runs also between two
//! requests, so it cannot tell a slow client from a quiet one. Here the stream itself is watched.
//!
//! # Which HTTP
//!
//! Over TLS the client and we agree on it (ALPN). Without TLS it is HTTP/1, unless `HTTP2_CLEARTEXT`
//! is on and the client begins as HTTP/2 does.

mod accept;
mod connection_limiter;
mod guard;
pub(crate) mod http1;
pub(crate) mod http2;
mod io;
mod lingering_close;
mod listener;
pub(crate) mod proxy_protocol;
mod serve;
mod socket;
mod socket_activation;
#[cfg_attr(not(feature = "tls"), path = "server/tls/disabled.rs")]
mod tls;
mod unix_peer;
mod websocket;

pub use self::unix_peer::UdsConnectInfo;
pub(crate) use self::{
    accept::AcceptConfig,
    listener::{BindError, Bound},
    socket_activation::{ActivatedListener, take as take_inherited},
    tls::Tls,
};
#[cfg(feature = "tls")]
pub(crate) use self::{
    io::ALPN_HTTP2,
    tls::{CertificateReader as TlsReader, TlsError, TlsEvent, WATCH_EVERY, watch},
};
