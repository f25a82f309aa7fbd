//! Determines the scheme and the host of a request as its client used them (contract IP-5).
//!
//! A redirect, a cookie or a link in a response must have the scheme and the host that the client sees.
//! A proxy that terminates TLS changes both, and reports the original ones in headers. Any client can
//! send these headers, too.
//!
//! | Peer        | `FORWARDED_HEADER`  | Scheme                        | Host                       |
//! |-------------|---------------------|-------------------------------|----------------------------|
//! | not trusted | any                 | of the connection             | of the request             |
//! | trusted     | `x-forwarded-for`   | `X-Forwarded-Proto`           | `X-Forwarded-Host`         |
//! | trusted     | `forwarded`         | `proto` of the client's hop   | `host` of the client's hop |
//!
//! If a trusted peer sends no valid value, the scheme is that of the connection, and the host is that of
//! the request. Each is determined by itself.
//!
//! # Agreement of list elements
//!
//! `X-Forwarded-Proto` has one value if proxies replace it, as most do, and several if they append to
//! it. Unlike an address, an element does not show whether its hop is a proxy. So in `https, http`, the
//! author of the left element is unknown: it may be a proxy or a client. The right-most element is from
//! the peer, but it describes the last hop, which is nearly always `http` inside a data centre.
//!
//! If all elements are equal, they equal that of the peer, and the authors of the others do not matter.
//! Hosts that differ are ignored. Schemes that differ are rejected: treating the request as `http` would
//! cause a redirect loop, and treating it as `https` could send confidential data unencrypted.
//!
//! # Invariants
//!
//! * Nothing that an untrusted peer sends changes the scheme, neither an absolute request target with
//!   `https://` nor `:scheme` of HTTP/2.
//! * A scheme or host from a list equals the last element, which the trusted peer has sent. It is never
//!   taken from an element on the left alone.
//! * No other header is read: not `X-Forwarded-Port`, `X-Forwarded-Ssl` or `X-Url-Scheme`.
//! * A host has only letters, digits and `-._`, or is an IPv6 address in brackets. It can be written
//!   into a header or a page without escapes. It need not be a host of this service.
//!
//! # Limits
//!
//! A trusted proxy must set these headers or remove those of the client. If it passes them on, they are
//! trusted.
//!
//! # Related modules
//!
//! [`super::client_ip`] determines whether the peer is trusted, and which hop is the client's.

use std::net::Ipv6Addr;

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, StatusCode, Uri, header::HOST, request::Parts, uri::Authority};

use super::{
    client_ip::{self, ForwardedClaims, ForwardedHop},
    outside_request::OutsideRequest,
    problem::Problem,
};
use crate::request::{self, RequestSource, Scheme};

/// The longest name in the DNS, in bytes of its text.
const MAX_NAME: usize = 253;

// `http` has no constants for these.
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The scheme and the host with which the client addressed this service (contract IP-5).
///
/// As an extractor it reads the headers when a handler uses it; other requests have no cost.
///
/// ```
/// use plimsoll::RequestOrigin;
///
/// async fn handler(origin: RequestOrigin) -> String {
///     match origin.host() {
///         Some(host) => format!("{}://{host}/\n", origin.scheme()),
///         None => "unknown host\n".to_owned(),
///     }
/// }
/// ```
///
/// # Security
///
/// Without `TRUSTED_PROXIES`, the scheme is that of the connection. Behind an
/// [`EdgeLayer`](crate::EdgeLayer) it is `http`, because the layer does not know the connection. With
/// `TRUSTED_PROXIES`, scheme and host are as reliable as the listed proxies.
///
/// The client always chooses the host. Compare it with the names of the service before a link with it
/// is sent to another person, for example by mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOrigin {
    scheme: Scheme,
    host: Option<Authority>,
}

/// The error of the extractor [`RequestOrigin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginRejection {
    /// The chassis does not handle the request; as a response, 500.
    #[error(transparent)]
    Outside(#[from] OutsideRequest),
    /// Trusted proxies report different schemes in one header; as a response, 400.
    #[error("the proxies do not agree on the scheme of the request")]
    Conflict,
}

impl RequestOrigin {
    /// The scheme that the client used.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, and the port if the client sent one. `None` if the request has no host, which HTTP/1.0
    /// allows, or if the host is malformed.
    #[must_use]
    pub const fn host(&self) -> Option<&Authority> {
        self.host.as_ref()
    }

    /// Determines the origin of a request from its source, target and headers.
    pub(crate) fn of(
        source: RequestSource,
        target: &Uri,
        headers: &HeaderMap,
    ) -> Result<Self, OriginRejection> {
        let (scheme, host) = match client_ip::claims(source.forwarded, headers) {
            ForwardedClaims::Nowhere => (None, None),
            ForwardedClaims::XForwarded(headers) => (
                agreed(headers, &X_FORWARDED_PROTO, scheme)
                    .map_err(|Disagree| OriginRejection::Conflict)?,
                agreed(headers, &X_FORWARDED_HOST, host).unwrap_or_default(),
            ),
            ForwardedClaims::Forwarded(ForwardedHop {
                proto, host: name, ..
            }) => (
                proto.and_then(|proto| scheme(&proto.unescaped())),
                name.and_then(|name| host(&name.unescaped())),
            ),
        };
        Ok(Self {
            scheme: scheme.unwrap_or(source.scheme),
            host: host.or_else(|| requested_host(target, headers)),
        })
    }
}

impl<S: Sync> FromRequestParts<S> for RequestOrigin {
    type Rejection = OriginRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, OriginRejection> {
        let source = request::with_current(|current| current.source).flatten();
        Self::of(source.ok_or(OutsideRequest)?, &parts.uri, &parts.headers)
    }
}

impl IntoResponse for OriginRejection {
    fn into_response(self) -> Response {
        match self {
            Self::Outside(outside) => outside.into_response(),
            Self::Conflict => {
                request::with_request_id(|id| Problem::new(StatusCode::BAD_REQUEST).answer(id))
            }
        }
    }
}

/// The host in the request itself: first its target, then `Host` (RFC 9112, section 3.2.2).
fn requested_host(target: &Uri, headers: &HeaderMap) -> Option<Authority> {
    if let Some(authority) = target.authority() {
        return host(authority.as_str().as_bytes());
    }
    let mut sent = headers.get_all(HOST).iter();
    match (sent.next(), sent.next()) {
        (Some(one), None) => host(one.as_bytes()),
        _ => None,
    }
}

/// The elements of a list differ.
struct Disagree;

/// The value of all elements in all lines of the header `name`, if all are equal.
///
/// Empty elements are skipped. An element that cannot be parsed differs from any other.
fn agreed<T: PartialEq>(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<Option<T>, Disagree> {
    let mut values = headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
        .map(read);
    let Some(first) = values.next() else {
        return Ok(None);
    };
    match values.all(|value| value.is_some() && value == first) {
        true => Ok(first),
        false => Err(Disagree),
    }
}

fn scheme(text: &[u8]) -> Option<Scheme> {
    [Scheme::Http, Scheme::Https]
        .into_iter()
        .find(|scheme| text.eq_ignore_ascii_case(scheme.as_str().as_bytes()))
}

/// Parses a host and an optional port, without user information.
///
/// This is narrower than RFC 3986, which allows quotes, brackets and `%`-escapes in names. No name in use
/// has them, and code that writes a host into a page may not expect them.
fn host(text: &[u8]) -> Option<Authority> {
    let text = str::from_utf8(text).ok()?;
    let (has_valid_name, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (ip, rest) = bracketed.split_once(']')?;
            (ip.parse::<Ipv6Addr>().is_ok(), rest)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            let has_valid_length = (1..=MAX_NAME).contains(&name.len());
            (has_valid_length && name.bytes().all(is_name_byte), port)
        }
    };
    let is_valid = has_valid_name && (port.is_empty() || is_port(port.strip_prefix(':')?));
    // Parsed last, because it allocates.
    is_valid.then(|| text.parse().ok()).flatten()
}

/// Whether `text` is a port. It may be empty (RFC 3986, 3.2.3).
fn is_port(text: &str) -> bool {
    let is_number = text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (text.is_empty() || text.parse::<u16>().is_ok())
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
