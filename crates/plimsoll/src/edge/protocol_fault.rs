//! Requests that ended before they were requests: refused by the parser, or never complete.
//!
//! They never reach the router, and would leave no trace. What the parser has answered is logged and
//! counted like an answer of the router's (contract LOG-13); what got no answer is counted by kind.

use std::{error::Error as _, sync::Arc, time::Duration};

use http::Method;

use super::{Edge, EdgeState, id};
use crate::{
    metrics::{ProtocolError, Registry},
    request::Peer,
};

impl ProtocolError {
    /// What an error of hyper's says of the head that it was reading.
    pub(crate) fn of(error: &hyper::Error) -> Self {
        if error.is_parse_too_large() {
            // hyper has one predicate for both, and tells them apart only in its text; the contract's
            // tests would notice a change of it.
            if error.to_string().contains("URI") {
                Self::UriTooLong
            } else {
                Self::HeadTooLarge
            }
        } else if error.is_parse() {
            Self::Malformed
        } else if is_breach(error) {
            Self::Http2
        } else {
            Self::Incomplete
        }
    }

    /// Whether it was refused with an answer, rather than left.
    pub(crate) const fn is_answered(self) -> bool {
        self.status().is_some()
    }

    /// The status that it is answered with, by hyper or by us.
    pub(super) const fn status(self) -> Option<u16> {
        match self {
            Self::Malformed => Some(400),
            Self::HeadTooLarge => Some(431),
            Self::UriTooLong => Some(414),
            Self::HeadTimeout
            | Self::ProxyHeader
            | Self::TlsHandshake
            | Self::Http2
            | Self::RefusedStream
            | Self::StreamError
            | Self::Incomplete => None,
        }
    }
}

/// Whether it was our side of HTTP/2 that found fault.
fn is_breach(error: &hyper::Error) -> bool {
    error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>())
        .is_some_and(h2::Error::is_library)
}

impl<S> Edge<S> {
    /// Accounts for a head that failed after `took`.
    pub(crate) fn refused(&self, fault: ProtocolError, peer: Peer, took: Duration) {
        self.shared().refused(fault, peer, took);
    }

    /// Where faults are counted that show in the frames of HTTP/2.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.shared().registry)
    }

    /// Counts a fault that has no record of its own.
    pub(crate) fn count(&self, fault: ProtocolError) {
        self.shared().registry.protocol_errors.count(fault);
    }
}

impl EdgeState {
    fn refused(&self, fault: ProtocolError, peer: Peer, took: Duration) {
        self.registry.protocol_errors.count(fault);
        let Some(status) = fault.status() else { return };
        // No method was understood: it is counted with the unknown ones.
        let method = Method::from_bytes(b"-").unwrap_or_default();
        self.registry.http.observe(0, &method, status, took);
        self.write_refusal(fault, status, &id::generate(), peer, took);
    }
}
