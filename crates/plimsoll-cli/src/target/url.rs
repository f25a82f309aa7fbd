//! The URL of a running service: `http://HOST:PORT`.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    str::FromStr,
};

/// The address of a service in clear text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    authority: String,
    port: u16,
}

/// A URL that names no service in clear text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidUrl {
    #[error("it must begin with http://; TLS is not checked")]
    Scheme,
    #[error("it has a path, a query or a user; checks use the root: http://HOST:PORT")]
    Parts,
    #[error("its port is no number from 1 to 65535")]
    Port,
}

impl Url {
    /// Returns the addresses of the host. A service need not listen on all of them.
    ///
    /// # Errors
    ///
    /// The error of the resolver.
    pub(crate) fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let addresses = (self.host(), self.port).to_socket_addrs()?;
        Ok(addresses.collect())
    }

    /// Returns the host, with the port that the URL names.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the host, without the brackets of an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => host,
            _ => &self.authority,
        };
        host.trim_matches(['[', ']'])
    }

    /// Whether the host is this machine by its name or address.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.host().parse::<IpAddr>();
        self.host() == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        let authority = url.strip_prefix("http://").ok_or(InvalidUrl::Scheme)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
            return Err(InvalidUrl::Parts);
        }
        let port = match authority.rsplit_once(':') {
            Some((_, port)) if !port.contains(']') => port.parse().ok(),
            _ => Some(80),
        };
        let port = port.filter(|port| *port > 0).ok_or(InvalidUrl::Port)?;
        Ok(Self {
            authority: authority.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_host_and_port() {
        let address = |url: &str| url.parse::<Url>().map(|url| url.resolve().unwrap());
        let expected = |address: &str| Ok(vec![address.parse().unwrap()]);
        assert_eq!(address("http://127.0.0.1:81"), expected("127.0.0.1:81"));
        assert_eq!(address("http://127.0.0.1/"), expected("127.0.0.1:80"));
        assert_eq!(address("http://[::1]:81"), expected("[::1]:81"));
        assert_eq!(address("http://[::1]"), expected("[::1]:80"));
    }

    #[test]
    fn loopback_is_a_name_or_an_address() {
        let is_loopback = |url: &str| url.parse::<Url>().unwrap().is_loopback();
        assert!(is_loopback("http://localhost:81") && is_loopback("http://127.8.0.1"));
        assert!(is_loopback("http://[::1]:81"));
        assert!(!is_loopback("http://localhost.example.com") && !is_loopback("http://10.0.0.1"));
    }

    #[test]
    fn other_urls_are_rejected() {
        let fault = |url: &str| url.parse::<Url>().unwrap_err();
        assert_eq!(fault("https://a"), InvalidUrl::Scheme);
        assert_eq!(fault("http://a/b"), InvalidUrl::Parts);
        assert_eq!(fault("http://"), InvalidUrl::Parts);
        assert_eq!(fault("http://a:0"), InvalidUrl::Port);
    }
}
