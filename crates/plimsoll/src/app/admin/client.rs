//! Decides which clients may use the operator controls (contract ADM-6, ADM-7, ADM-8).
//!
//! A page of another origin can make a browser send requests to an address that the browser reaches,
//! and DNS rebinding makes it the same origin. So a request with a host name, or one that a page has
//! sent, is rejected before its token is looked at. Loopback authorises no client: every process of the
//! machine reaches it.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, StatusCode, Uri, header, uri::Authority};
use subtle::ConstantTimeEq as _;

use crate::{UdsConnectInfo, config::Secret, metrics::Denial};

/// The clients that may use the controls.
#[derive(Debug)]
pub(super) struct Authorisation {
    token: Option<Secret>,
    /// The uid that peers on the unix socket must have, or 0; `None` if no uid authorises.
    uid: Option<u32>,
}

/// An authorised client, as it is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Client(pub(super) String);

impl Authorisation {
    /// `is_unix` is whether the listener is a unix socket. Returns `None` if no client could be
    /// authorised.
    pub(super) fn new(token: Option<Secret>, is_unix: bool) -> Option<Self> {
        let own = rustix::process::getuid().as_raw();
        let uid = (is_unix && own != overflow_uid()).then_some(own);
        (token.is_some() || is_unix).then_some(Self { token, uid })
    }

    /// Returns the client, or the reason for which the request is denied.
    pub(super) fn check(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Client, Denial> {
        // RFC 9112, 3.2.2: the host of a target in absolute form takes precedence over `Host`.
        if !uri.authority().is_none_or(is_address) || !has_address(headers) {
            return Err(Denial::Host);
        }
        if is_sent_by_page(headers) {
            return Err(Denial::Origin);
        }
        if let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<UdsConnectInfo>>()
            && let Some(own) = self.uid
            && (peer.uid() == own || peer.uid() == 0)
        {
            return Ok(Client(format!("uid {}", peer.uid())));
        }
        if !self.has_token(headers) {
            return Err(Denial::Unauthorised);
        }
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Client(peer.map_or_else(
            || "token, unix socket".to_owned(),
            |ConnectInfo(addr)| format!("token, {}", addr.ip()),
        )))
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().filter(|_| values.next().is_none());
        let given = value.and_then(|value| {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            // RFC 9110, 11.1: the scheme is case-insensitive.
            let is_bearer = scheme.eq_ignore_ascii_case("bearer");
            is_bearer.then(|| token.trim_matches(' ').as_bytes())
        });
        match (&self.token, given) {
            (Some(token), Some(given)) => token.expose().as_bytes().ct_eq(given).into(),
            _ => false,
        }
    }
}

/// Denials, as statuses.
pub(super) const fn status(denial: Denial) -> StatusCode {
    match denial {
        Denial::Unauthorised => StatusCode::UNAUTHORIZED,
        Denial::Host => StatusCode::MISDIRECTED_REQUEST,
        Denial::Origin => StatusCode::FORBIDDEN,
    }
}

fn has_address(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()?.parse().ok());
    host.is_some_and(|authority| is_address(&authority))
}

/// Whether the host is an address or `localhost`, which DNS rebinding cannot be.
fn is_address(authority: &Authority) -> bool {
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok()
}

/// Whether a page in a browser has sent the request.
fn is_sent_by_page(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    headers.contains_key(header::ORIGIN) || sites.any(|site| site != "none")
}

/// Returns the uid under which a user namespace shows all uids that it does not map.
///
/// A peer with that uid may be any of them.
fn overflow_uid() -> u32 {
    const DEFAULT: u32 = 65534;
    let text = std::fs::read_to_string("/proc/sys/kernel/overflowuid");
    text.ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(DEFAULT)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn check(headers: &[(&'static str, &str)]) -> Result<Client, Denial> {
        check_target("/admin", headers)
    }

    fn check_target(target: &str, headers: &[(&'static str, &str)]) -> Result<Client, Denial> {
        let authorisation = Authorisation {
            token: Some(Secret::new(TOKEN)),
            uid: None,
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_static(name);
            map.append(name, value.parse().expect("a valid value"));
        }
        let target = target.parse().expect("a valid target");
        authorisation.check(&target, &map, &Extensions::new())
    }

    /// ADM-6
    #[test]
    fn only_the_whole_token_authorises() {
        let bearer =
            |token: &str| check(&[("host", "127.0.0.1:9090"), ("authorization", token)]).is_ok();
        assert!(bearer(&format!("Bearer {TOKEN}")));
        assert!(bearer(&format!("bearer  {TOKEN} ")));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            TOKEN,
            &format!("Basic {TOKEN}"),
            &format!("Bearer {}", &TOKEN[..31]),
            &format!("Bearer {TOKEN}x"),
            &format!("Bearer {TOKEN}, {TOKEN}"),
        ] {
            assert!(!bearer(wrong), "{wrong}");
        }
        assert_eq!(check(&[("host", "127.0.0.1")]), Err(Denial::Unauthorised));
        let token = format!("Bearer {TOKEN}");
        let twice = [
            ("host", "127.0.0.1"),
            ("authorization", &*token),
            ("authorization", &*token),
        ];
        assert_eq!(check(&twice), Err(Denial::Unauthorised));
    }

    /// ADM-7
    #[test]
    fn host_must_be_an_address_or_localhost() {
        let token = format!("Bearer {TOKEN}");
        let host = |host: &str| check(&[("host", host), ("authorization", &token)]);
        for address in [
            "127.0.0.1",
            "10.0.0.1:9090",
            "[::1]:9090",
            "localhost",
            "LOCALHOST:1",
        ] {
            assert!(host(address).is_ok(), "{address}");
        }
        for name in [
            "evil.example",
            "localhost.evil.example:9090",
            "127.0.0.1.nip.io",
            "",
            "a b",
        ] {
            assert_eq!(host(name), Err(Denial::Host), "{name}");
        }
        assert_eq!(check(&[("authorization", &token)]), Err(Denial::Host));
        let absolute = |target| {
            let headers = [("host", "localhost"), ("authorization", &*token)];
            check_target(target, &headers)
        };
        assert!(absolute("http://[::1]:9090/admin").is_ok());
        assert_eq!(
            absolute("http://evil.example/admin"),
            Err(Denial::Host),
            "the host of the target takes precedence"
        );
    }

    /// ADM-7
    #[test]
    fn request_of_a_page_is_denied_also_with_the_token() {
        let token = format!("Bearer {TOKEN}");
        let with = |name, value| {
            check(&[
                ("host", "localhost"),
                ("authorization", &token),
                (name, value),
            ])
        };
        assert_eq!(with("origin", "http://localhost"), Err(Denial::Origin));
        assert_eq!(with("origin", "null"), Err(Denial::Origin));
        for site in ["cross-site", "same-site", "same-origin"] {
            assert_eq!(with("sec-fetch-site", site), Err(Denial::Origin), "{site}");
        }
        assert!(with("sec-fetch-site", "none").is_ok(), "typed by the user");
    }
}
