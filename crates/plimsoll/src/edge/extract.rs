//! Extractors: client address, request id, shutdown token and trace context.

use std::{convert::Infallible, net::IpAddr};

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::{outside_request::OutsideRequest, state::EdgeState};
use crate::{
    request::{self, RequestId},
    shutdown::ShutdownToken,
};

/// The address of the client, as the trusted proxies report it (contract IP-1…3).
///
/// As an extractor it returns the address that is `ip` in the access record. It is `None` if the peer
/// is a unix socket and no trusted header names an address.
///
/// ```
/// use plimsoll::ClientIp;
///
/// async fn handler(ClientIp(ip): ClientIp) -> String {
///     ip.map_or("-".to_owned(), |ip| ip.to_string())
/// }
/// ```
///
/// # Security
///
/// Without `TRUSTED_PROXIES` this is the address of the socket's peer, which no client can forge. With
/// it, the address is as reliable as the listed proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientIp(pub Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for ClientIp {
    type Rejection = OutsideRequest;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, OutsideRequest> {
        request::with_current(|current| Self(current.client_ip)).ok_or(OutsideRequest)
    }
}

/// Returns the shutdown token of the service that handles the request.
impl<S: Sync> FromRequestParts<S> for ShutdownToken {
    type Rejection = OutsideRequest;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, OutsideRequest> {
        EdgeState::current()
            .map(|state| state.shutdown.clone())
            .ok_or(OutsideRequest)
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = OutsideRequest;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, OutsideRequest> {
        Self::current().ok_or(OutsideRequest)
    }
}

#[cfg(feature = "otlp")]
impl<S: Sync> FromRequestParts<S> for crate::TraceContext {
    type Rejection = OutsideRequest;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, OutsideRequest> {
        request::with_current(|_| ()).ok_or(OutsideRequest)?;
        Ok(Self::current())
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::current())
    }
}
