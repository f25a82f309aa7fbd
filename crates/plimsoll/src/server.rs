//! The server: accepts connections, and passes their requests to the edge.
//!
//! ```text
//! Bound ──listen──▶ Listener ──accept──▶ Connection ──▶ Edge
//! ```
//!
//! The address is bound while the service starts, so that a conflict is reported immediately. The
//! service listens on it when it is ready, so that no client waits in a queue during the start. An
//! activated socket listens before and after the process ([`socket_activation`]).
//!
//! # Comparison with `axum::serve`
//!
//! `axum::serve` of axum 0.8 has no timeout for a request head and no deadline for its drain. It does
//! not report when a connection is idle. The last matters most: hyper's timer for a head also runs
//! between two requests, so it does not distinguish a slow client from an idle one. This server
//! tracks the bytes of each connection instead.
//!
//! # HTTP version
//!
//! Over TLS, ALPN selects the version. Without TLS it is HTTP/1, unless `HTTP2_CLEARTEXT` is on and
//! the client starts with the preface of HTTP/2.

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
mod worker;

pub use self::unix_peer::UdsConnectInfo;
pub(crate) use self::{
    accept::AcceptConfig,
    connection_limiter::ConnectionLimiter,
    listener::{BindError, Bound},
    socket_activation::{ActivatedListener, take as take_activated},
    tls::Tls,
};
#[cfg(feature = "tls")]
pub(crate) use self::{
    io::ALPN_HTTP2,
    tls::{CertificateReader as TlsReader, TlsError, TlsEvent, WATCH_INTERVAL, watch},
};
