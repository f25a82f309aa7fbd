//! The scheme and the host of a request, as its client used them (contract IP-5).
//!
//! What a handler writes into a redirect, a cookie or a link must be what the client sees, and a
//! proxy that ends TLS shows us something else. It says in headers what it saw; so could anybody.
//!
//! | Peer        | `FORWARDED_HEADER`  | Scheme                        | Host                       |
//! |-------------|---------------------|-------------------------------|----------------------------|
//! | not trusted | any                 | the connection's              | the request's              |
//! | trusted     | `x-forwarded-for`   | `X-Forwarded-Proto`           | `X-Forwarded-Host`         |
//! | trusted     | `forwarded`         | `proto` of the client's hop   | `host` of the client's hop |
//!
//! What a trusted peer did not say, or said in a form that cannot be believed, is taken from the
//! connection and the request, each by itself.
//!
//! # Why the elements of a list must agree
//!
//! `X-Forwarded-Proto` has one value where proxies replace it, as most do, and several where they
//! add to it. Unlike an address, an element does not say whether the hop behind it is a proxy, so
//! in `https, http` nobody knows which proxy wrote the left one, or whether a client did. The
//! right-most would be the word of the peer, but about its own last leg, which inside a
//! data centre is nearly always `http`. If all elements agree, then so does the one that the
//! peer wrote, and it does not matter who wrote the others. Hosts that do not are not believed.
//! Schemes that do not are refused: whoever took `http` for what it was would redirect for ever, and
//! whoever took `https` would send what must be encrypted over a line that is not.
//!
//! # Invariants
//!
//! * Nothing that an untrusted peer sends changes the scheme; not the `https://` of an absolute
//!   request target either, nor `:scheme` of HTTP/2.
//! * A scheme or host out of a list is one that the peer, who is trusted, has sent as its last
//!   element. It is never one out of what it let through on the left alone.
//! * No other header is read: not `X-Forwarded-Port`, `X-Forwarded-Ssl` or `X-Url-Scheme`.
//! * A host has only letters, digits and `-._`, or is an IPv6 address in brackets; it can be
//!   written into a header or a page without escapes. It need not be a host of this service.
//!
//! # Limits
//!
//! A trusted proxy must set these headers, or remove what the client sent: one that lets them
//! through vouches for them.
//!
//! # Not here
//!
//! Who is trusted, and which hop is the client's, is found in [`super::address`].

use std::net::Ipv6Addr;

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, StatusCode, Uri, header::HOST, request::Parts, uri::Authority};

use super::{
    OutsideRequest,
    client_ip::{self, ForwardedClaims, ForwardedHop},
    problem::Problem,
};
use crate::request::{self, RequestSource, Scheme};

/// The most bytes that a name in the DNS can have, written out.
const MAX_NAME: usize = 253;

// `http` has no constants for these.
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// How the client addressed this service: what a link back to it begins with (contract IP-5).
///
/// As an extractor it reads the headers when it is asked for, and costs nothing before.
///
/// ```
/// use plimsoll::Origin;
///
/// async fn handler(origin: Origin) -> String {
///     match origin.host() {
///         Some(host) => format!("{}://{host}/\n", origin.scheme()),
///         None => "who am I?\n".to_owned(),
///     }
/// }
/// ```
///
/// # Security
///
/// Without `TRUSTED_PROXIES`, the scheme is that of the connection, which is `http` behind an
/// [`EdgeLayer`](crate::EdgeLayer): there the chassis sees no connection. With it, both are as true as
/// the listed proxies are. The host is in any case what the client chose to send: compare it with
/// the names of the service before a link with it goes to anybody else, as in a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOrigin {
    scheme: Scheme,
    host: Option<Authority>,
}

/// Why there is no [`Origin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginRejection {
    /// The request is not one of the chassis's; answers 500.
    #[error(transparent)]
    Outside(#[from] OutsideRequest),
    /// Trusted proxies name different schemes in one header; answers 400.
    #[error("the proxies do not agree on the scheme of the request")]
    Conflict,
}

impl RequestOrigin {
    /// Whether the client used TLS.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host and port, the port as far as it was written. Nothing if the request has no host
    /// (HTTP/1.0 allows it), or none of well-formed names and addresses.
    #[must_use]
    pub const fn host(&self) -> Option<&Authority> {
        self.host.as_ref()
    }

    /// Finds the origin of a request that came this way.
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

/// The host that the request itself is for: that of its target wins (RFC 9112, section 3.2.2).
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

/// The elements of a list say different things.
struct Disagree;

/// The value of all elements in all lines called `name`, if they have the same.
///
/// Empty elements are left out; one that cannot be read agrees with none.
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

/// Reads host and optional port, without user information.
///
/// This is narrower than RFC 3986, which allows quotes, brackets and `%`-escapes in names; no
/// name in use has them, and not everybody who writes a host into a page expects them.
fn host(text: &[u8]) -> Option<Authority> {
    let text = str::from_utf8(text).ok()?;
    let (has_valid_name, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (ip, behind) = bracketed.split_once(']')?;
            (ip.parse::<Ipv6Addr>().is_ok(), behind)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            let has_right_length = (1..=MAX_NAME).contains(&name.len());
            (has_right_length && name.bytes().all(is_of_a_name), port)
        }
    };
    let is_valid = has_valid_name && (port.is_empty() || is_port(port.strip_prefix(':')?));
    // Parsed last: it costs memory.
    is_valid.then(|| text.parse().ok()).flatten()
}

/// Whether `text` may stand behind the colon; an empty one is allowed there (RFC 3986, 3.2.3).
fn is_port(text: &str) -> bool {
    let is_number = text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (text.is_empty() || text.parse::<u16>().is_ok())
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
