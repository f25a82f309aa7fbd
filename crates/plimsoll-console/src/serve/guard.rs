//! The checks before the page and the API: host name, origin, token (CON-1 to CON-3).
//!
//! Any page in a browser can send requests to a loopback port, so being local is no proof.
//!
//! * A page whose own name resolves to loopback ("DNS rebinding") has that name in `Host`: 421.
//! * A page of another origin has it in `Origin` or `Sec-Fetch-Site`: 403.
//! * Everything else without the token gets 401. There are no cookies, which all ports would share.
//!
//! A tunnel such as `ssh -L` changes the port, so ports of `Host` are not compared.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{problem::Problem, token::Token};

/// What requests must have. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Guard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    token: Token,
    /// The address of the listener.
    listen: IpAddr,
    /// Names in lower case.
    allowed: Vec<String>,
}

impl Guard {
    pub(super) fn new(token: Token, listen: SocketAddr, allowed: &[String]) -> Self {
        Self(Arc::new(Inner {
            token,
            listen: listen.ip(),
            allowed: allowed.iter().map(|name| name.to_lowercase()).collect(),
        }))
    }

    /// Whether a host is this computer, or allowed by name.
    fn is_known(&self, host: &str) -> bool {
        let host = host.to_lowercase();
        if host == "localhost" || self.0.allowed.contains(&host) {
            return true;
        }
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        let address: Option<IpAddr> = literal.parse().ok();
        address.is_some_and(|address| {
            address.is_loopback() || (address == self.0.listen && !address.is_unspecified())
        })
    }

    fn check_host(&self, request: &Request) -> Result<(), Problem> {
        let misdirected = |host: &str| {
            let detail = format!(
                "the console does not answer for the host {host:?}; --allow-host NAME adds it"
            );
            Problem::new(StatusCode::MISDIRECTED_REQUEST, detail)
        };
        let hosts = request.headers().get_all(header::HOST).iter();
        let hosts = hosts.map(|value| value.to_str().unwrap_or_default());
        let target = request.uri().authority().map(Authority::as_str);
        let mut names = hosts.chain(target).peekable();
        if names.peek().is_none() {
            return Err(misdirected(""));
        }
        for name in names {
            let host = authority(name).filter(|authority| self.is_known(authority.host()));
            host.ok_or_else(|| misdirected(name))?;
        }
        Ok(())
    }

    /// Rejects requests that a page of another origin causes.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let forbidden = |detail: &str| Err(Problem::new(StatusCode::FORBIDDEN, detail));
        for site in headers.get_all("sec-fetch-site") {
            if site != "same-origin" && site != "none" {
                return forbidden("requests of pages of another site are rejected");
            }
        }
        let own = headers.get(header::HOST);
        let own = own.and_then(|host| authority(host.to_str().ok()?));
        for origin in headers.get_all(header::ORIGIN) {
            let text = origin.to_str().unwrap_or_default();
            let is_own = text.split_once("://").is_some_and(|(scheme, rest)| {
                let origin = authority(rest);
                let is_allowed = origin.as_ref().is_some_and(|origin| {
                    let host = origin.host().to_lowercase();
                    self.0.allowed.contains(&host)
                });
                let is_same = origin.is_some() && origin == own;
                matches!(scheme, "http" | "https") && (is_same || is_allowed)
            });
            if !is_own {
                return forbidden("requests of pages of another origin are rejected");
            }
        }
        Ok(())
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let token = values.next().and_then(|value| {
            let (scheme, token) = value.as_bytes().split_at_checked(BEARER.len())?;
            scheme.eq_ignore_ascii_case(BEARER).then_some(token)
        });
        let is_known = token.is_some_and(|token| self.0.token.matches(token));
        if is_known && values.next().is_none() {
            return Ok(());
        }
        let detail = "the token is missing or of another start: \
            open the address that the console has printed";
        Err(Problem::new(StatusCode::UNAUTHORIZED, detail))
    }
}

const BEARER: &[u8] = b"Bearer ";

/// Rejects requests for a host that is not this computer.
pub(super) async fn host(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.check_host(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Rejects requests of another origin or without the token.
pub(super) async fn client(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let checked = guard.check_origin(headers);
    match checked.and_then(|()| guard.check_token(headers)) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Reads a host with an optional port. A name with user information is none.
fn authority(text: &str) -> Option<Authority> {
    let authority: Authority = text.parse().ok()?;
    (!text.contains('@')).then_some(authority)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use proptest::prelude::*;

    use super::*;

    fn guard() -> Guard {
        let token = Token::generate().unwrap();
        let listen = "127.0.0.1:4680".parse().unwrap();
        Guard::new(token, listen, &["Dev.example".to_owned()])
    }

    fn request(headers: &[(&'static str, &str)]) -> Request {
        let builder = Request::builder().uri("/api/state");
        let builder = headers.iter().fold(builder, |builder, (name, value)| {
            builder.header(*name, *value)
        });
        builder.body(Body::empty()).unwrap()
    }

    fn host_status(hosts: &[&str]) -> u16 {
        let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        let result = guard().check_host(&request(&headers));
        result.map_or_else(|problem| problem.status.as_u16(), |()| 200)
    }

    #[test]
    fn only_this_computer_and_allowed_names_are_hosts() {
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:4680",
            "127.9.9.9",
            "[::1]:4680",
            "dev.example:443",
        ] {
            assert_eq!(host_status(&[host]), 200, "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "a@localhost",
            "localhost@evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "127.0.0.1.nip.io",
            "other.dev.example",
            "localhost.",
        ] {
            assert_eq!(host_status(&[host]), 421, "{host}");
        }
        assert_eq!(host_status(&[]), 421);
        assert_eq!(host_status(&["localhost", "evil.example"]), 421);
    }

    #[test]
    fn target_with_another_host_is_rejected() {
        let request = Request::get("http://evil.example/").header("host", "localhost");
        let request = request.body(Body::empty()).unwrap();
        assert!(guard().check_host(&request).is_err());
    }

    #[track_caller]
    fn origin_status(headers: &[(&'static str, &str)]) -> u16 {
        let all: Vec<_> = [("host", "localhost:4680")]
            .iter()
            .chain(headers)
            .copied()
            .collect();
        let result = guard().check_origin(request(&all).headers());
        result.map_or_else(|problem| problem.status.as_u16(), |()| 200)
    }

    #[test]
    fn only_the_own_origin_is_accepted() {
        assert_eq!(origin_status(&[]), 200);
        for origin in [
            "http://localhost:4680",
            "https://localhost:4680",
            "https://dev.example",
        ] {
            assert_eq!(origin_status(&[("origin", origin)]), 200, "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://localhost:3000",
            "http://localhost",
            "http://127.0.0.1:4680",
            "https://evil.example",
            "file://",
            "ftp://localhost:4680",
            "http://localhost:4680@evil.example",
            "http://evil.example/localhost:4680",
        ] {
            assert_eq!(origin_status(&[("origin", origin)]), 403, "{origin}");
        }
        for (site, status) in [
            ("same-origin", 200),
            ("none", 200),
            ("same-site", 403),
            ("cross-site", 403),
            ("", 403),
        ] {
            assert_eq!(origin_status(&[("sec-fetch-site", site)]), status, "{site}");
        }
        let two = [
            ("origin", "http://localhost:4680"),
            ("origin", "http://evil.example"),
        ];
        assert_eq!(origin_status(&two), 403);
    }

    #[test]
    fn token_is_required_once() {
        let guard = guard();
        let token = guard.0.token.expose().to_owned();
        let is_admitted = |values: &[&str]| {
            let headers: Vec<_> = values.iter().map(|v| ("authorization", *v)).collect();
            guard.check_token(request(&headers).headers()).is_ok()
        };
        assert!(is_admitted(&[&format!("Bearer {token}")]));
        assert!(is_admitted(&[&format!("bearer {token}")]));
        for value in [
            String::new(),
            token.clone(),
            format!("Basic {token}"),
            format!("Bearer {token}0"),
            format!("Bearer  {token}"),
            "Bearer ".to_owned(),
        ] {
            assert!(!is_admitted(&[&value]), "{value}");
        }
        let value = format!("Bearer {token}");
        assert!(!is_admitted(&[&value, &value]));
        assert!(!is_admitted(&[]));
    }

    proptest! {
        #[test]
        fn no_other_host_is_accepted(host in "[ -~]{0,40}") {
            let is_known = host_status(&[&host]) == 200;
            let name = host.split(':').next().unwrap_or_default().to_lowercase();
            let is_local = name == "localhost" || name == "dev.example" || name.starts_with("127.")
                || host.starts_with("[");
            prop_assert!(!is_known || is_local, "{host}");
        }
    }
}
