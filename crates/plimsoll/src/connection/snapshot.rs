//! What an operator sees of an open connection: its age, its protocol, and what it waits for.
//!
//! A snapshot reads fields that the connection has anyway. Only the stage and the peer exist for it.
//! They change a few times in the life of a connection, and no request changes them. Another thread
//! reads while the connection runs, so a snapshot may mix two moments that are close together.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU8, Ordering},
};

use tokio::time::Instant;

use super::timeouts::Activity;
use crate::sync::{Mutex, lock};

/// The part of its life that a connection is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No byte of HTTP was read, so its version is unknown.
    Accepted = 0,
    /// The PROXY header is read.
    ProxyHeader = 1,
    /// The TLS handshake is in progress.
    TlsHandshake = 2,
    /// HTTP is served.
    Http = 3,
    /// HTTP has ended, and input is discarded until the client closes the connection.
    LingeringClose = 4,
}

/// What a connection waits for, as an operator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The PROXY header of a load balancer.
    ProxyHeader,
    /// The TLS handshake.
    TlsHandshake,
    /// The first head, or the rest of one.
    RequestHead,
    /// The next request.
    NextRequest,
    /// The rest of the body of an HTTP/1 request.
    RequestBody,
    /// A handler.
    Handler,
    /// A client that does not read a response.
    Client,
    /// The protocol after an upgrade.
    Upgraded,
    /// The client's close, after the last response.
    Close,
}

impl Wait {
    /// All of them, in the order of a connection's life.
    pub(crate) const ALL: [Self; 9] = [
        Self::ProxyHeader,
        Self::TlsHandshake,
        Self::RequestHead,
        Self::NextRequest,
        Self::RequestBody,
        Self::Handler,
        Self::Client,
        Self::Upgraded,
        Self::Close,
    ];

    /// Returns the name in the view.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ProxyHeader => "proxyHeader",
            Self::TlsHandshake => "tlsHandshake",
            Self::RequestHead => "requestHead",
            Self::NextRequest => "nextRequest",
            Self::RequestBody => "requestBody",
            Self::Handler => "handler",
            Self::Client => "client",
            Self::Upgraded => "upgraded",
            Self::Close => "close",
        }
    }
}

/// A connection at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionSnapshot {
    pub(crate) opened: Instant,
    /// The client that a PROXY header names, otherwise the peer of the socket. A unix peer has none.
    pub(crate) peer: Option<SocketAddr>,
    /// `None` until the version of HTTP is known.
    pub(crate) is_http2: Option<bool>,
    pub(crate) wait: Wait,
    /// When the wait began. `None` if that is not recorded, as for a handler.
    pub(crate) since: Option<Instant>,
    /// The number of requests in progress.
    pub(crate) requests: u32,
}

impl Stage {
    /// Returns the wait of a connection opened at `opened`, and since when it waits. `None` for HTTP.
    pub(super) fn wait(self, opened: Instant) -> Option<(Wait, Option<Instant>)> {
        // The timeout of the first head starts with the connection, and includes the steps before it.
        Some(match self {
            Self::Accepted => (Wait::RequestHead, Some(opened)),
            Self::ProxyHeader => (Wait::ProxyHeader, Some(opened)),
            Self::TlsHandshake => (Wait::TlsHandshake, Some(opened)),
            Self::Http => return None,
            Self::LingeringClose => (Wait::Close, None),
        })
    }

    /// Returns true if the version of HTTP is known.
    pub(super) fn has_version(self) -> bool {
        matches!(self, Self::Http | Self::LingeringClose)
    }
}

impl Activity {
    /// Returns the wait, and since when it lasts.
    pub(super) fn wait(self) -> (Wait, Option<Instant>) {
        let (wait, since) = match self {
            Self::WriteStalled(since) => (Wait::Client, since),
            Self::PartialHead(since) | Self::Head(since) => (Wait::RequestHead, since),
            Self::Idle(since) => (Wait::NextRequest, since),
            Self::UnreadBody(since) => (Wait::RequestBody, since),
        };
        (wait, Some(since))
    }
}

/// The parts of the state that only snapshots read.
#[derive(Debug)]
pub(crate) struct Observed {
    /// A [`Stage`].
    stage: AtomicU8,
    peer: Mutex<Option<SocketAddr>>,
}

impl Observed {
    pub(super) const fn new() -> Self {
        Self {
            stage: AtomicU8::new(Stage::Accepted as u8),
            peer: Mutex::new(None),
        }
    }

    /// Records that a stage has begun.
    pub(crate) fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Records the address of the peer, or of the client that a PROXY header names.
    pub(crate) fn set_peer(&self, peer: SocketAddr) {
        *lock(&self.peer) = Some(peer);
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        *lock(&self.peer)
    }

    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Accepted,
            1 => Stage::ProxyHeader,
            2 => Stage::TlsHandshake,
            3 => Stage::Http,
            _ => Stage::LingeringClose,
        }
    }
}
