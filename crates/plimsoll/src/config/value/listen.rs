//! The address of a listener: a TCP address, or the path of a unix socket.
//!
//! The admin listener has one setting, `ADMIN_ADDR`. The main listener has `HOST` and `PORT`, which
//! together are one [`ListenAddr`]:
//!
//! | `HOST`              | listener                                  |
//! |---------------------|-------------------------------------------|
//! | `0.0.0.0`           | every IPv4 address, port `PORT`           |
//! | `::`, `[::]`        | every IPv6 address, port `PORT`           |
//! | `unix:/run/me.sock` | that socket; `PORT` is checked, not used  |
//!
//! # Host names
//!
//! Host names are rejected. A name may have several addresses, none, or another one tomorrow, and a
//! lookup can hang. To bind is to choose an interface, which needs the address.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use super::{FromSetting, ParseError, within};

/// Longest path of a unix socket on Linux, in bytes: `sun_path` has 108, one of them for the
/// closing zero (unix(7)). Checked here because the error of `bind` is only "invalid argument".
const MAX_SOCKET_PATH: usize = 107;

/// The address of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenAddr {
    /// An IPv4 or IPv6 address and a port.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

/// The value of `HOST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum Host {
    Ip(IpAddr),
    Unix(PathBuf),
}

// === impl ListenAddr ===

/// Formats `0.0.0.0:8080`, `[::]:8080` or `unix:/run/me.sock`.
impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl ListenAddr {
    /// Whether two listeners conflict: same port and address, or one of them on all addresses.
    pub(in crate::config) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(two)) => {
                let any = one.ip().is_unspecified() || two.ip().is_unspecified();
                let same = one.ip().to_canonical() == two.ip().to_canonical();
                one.port() == two.port() && (any || same)
            }
            (Self::Unix(one), Self::Unix(two)) => one == two,
            _ => false,
        }
    }
}

impl FromSetting for ListenAddr {
    const EXPECTED: &'static str = "an IPv4 or IPv6 address with a port, or unix:/path";
    const EXAMPLE: &'static str = "127.0.0.1:9090";

    fn parse(text: &str) -> Result<Self, ParseError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket_path(path).map(Self::Unix);
        }
        match text.parse::<SocketAddr>() {
            Ok(addr) if addr.port() == 0 => Err(ParseError::because("the port is from 1 to 65535")),
            Ok(addr) => Ok(Self::Tcp(addr)),
            Err(_)
                if text
                    .rsplit_once(':')
                    .is_none_or(|(_, port)| port.is_empty()) =>
            {
                Err(ParseError::because("the port is missing"))
            }
            Err(_) => Err(ParseError::new()),
        }
    }
}

// === impl Host ===

impl Host {
    pub(in crate::config) fn with_port(self, port: u16) -> ListenAddr {
        match self {
            Self::Ip(ip) => ListenAddr::Tcp(SocketAddr::new(ip, port)),
            Self::Unix(path) => ListenAddr::Unix(path),
        }
    }
}

impl FromSetting for Host {
    const EXPECTED: &'static str = "an IPv4 or IPv6 address, or unix:/path";
    const EXAMPLE: &'static str = "0.0.0.0";

    fn parse(text: &str) -> Result<Self, ParseError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket_path(path).map(Self::Unix);
        }
        let bracketed = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let ip = match bracketed {
            Some(inner) => inner.parse::<Ipv6Addr>().map(IpAddr::V6),
            None => text.parse(),
        };
        ip.map(Self::Ip).map_err(|_| address_error(text))
    }
}

/// Parses `PORT`. 0 is rejected: clients would not know a port that the system chooses.
pub(in crate::config) fn port(text: &str) -> Result<u16, ParseError> {
    within(1..=u16::MAX)(text)
}

fn socket_path(path: &str) -> Result<PathBuf, ParseError> {
    if !path.starts_with('/') {
        Err(ParseError::because(
            "the path of a unix socket begins with a slash",
        ))
    } else if path.len() > MAX_SOCKET_PATH {
        Err(ParseError::because(
            "the path of a unix socket has at most 107 bytes",
        ))
    } else if path.contains('\0') {
        Err(ParseError::new())
    } else {
        Ok(PathBuf::from(path))
    }
}

/// Explains the two usual mistakes in an address.
fn address_error(text: &str) -> ParseError {
    let has_letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    let like_a_name = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if text.parse::<SocketAddr>().is_ok() {
        ParseError::because("the port belongs in PORT")
    } else if has_letter && like_a_name {
        ParseError::because("a host name is not looked up, give its address")
    } else {
        ParseError::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_socket_paths_are_accepted() {
        #[track_caller]
        fn check(host: &str, expect: &str) {
            let listen = Host::parse(host).unwrap().with_port(8080);
            assert_eq!(listen.to_string(), expect);
        }
        check("0.0.0.0", "0.0.0.0:8080");
        check("::", "[::]:8080");
        check("[::1]", "[::1]:8080");
        check("::ffff:10.0.0.1", "[::ffff:10.0.0.1]:8080");
        check("unix:/run/me.sock", "unix:/run/me.sock");
        check(
            &format!("unix:/{}", "x".repeat(106)),
            &format!("unix:/{}", "x".repeat(106)),
        );
    }

    #[test]
    fn rejection_names_the_usual_mistake() {
        #[track_caller]
        fn check(host: &str, expect: Option<&str>) {
            let reason = Host::parse(host).unwrap_err().into_reason(false);
            assert_eq!(reason.as_deref(), expect, "{host:?}");
        }
        let name = Some("a host name is not looked up, give its address");
        check("localhost", name);
        check("my-host.example", name);
        check("0.0.0.0:8080", Some("the port belongs in PORT"));
        check("[::]:8080", Some("the port belongs in PORT"));
        check("300.1.1.1", None);
        check("[127.0.0.1]", None);
        check("[::", None);
        check(" 0.0.0.0", None);
        check("fe80::1%eth0", None);
        let slash = Some("the path of a unix socket begins with a slash");
        check("unix:", slash);
        check("unix:run/me.sock", slash);
        check("unix:/a\0b", None);
        check(
            &format!("unix:/{}", "x".repeat(107)),
            Some("the path of a unix socket has at most 107 bytes"),
        );
    }

    #[test]
    fn address_of_a_listener_has_a_port() {
        #[track_caller]
        fn check(text: &str, expect: Result<&str, Option<&str>>) {
            let parsed = ListenAddr::parse(text).map(|addr| addr.to_string());
            let parsed = parsed.map_err(|mismatch| mismatch.into_reason(false));
            let parsed = parsed.as_deref().map_err(Option::as_deref);
            assert_eq!(parsed, expect, "{text:?}");
        }
        check("127.0.0.1:9090", Ok("127.0.0.1:9090"));
        check("[::]:9090", Ok("[::]:9090"));
        check("unix:/run/admin.sock", Ok("unix:/run/admin.sock"));
        check("127.0.0.1", Err(Some("the port is missing")));
        check("9090", Err(Some("the port is missing")));
        check("127.0.0.1:0", Err(Some("the port is from 1 to 65535")));
        check(":9090", Err(None));
        check("localhost:9090", Err(None));
        check("127.0.0.1:99999", Err(None));
    }

    #[test]
    fn unspecified_address_overlaps_others_on_its_port() {
        #[track_caller]
        fn check(one: &str, two: &str, expect: bool) {
            let parse = |text| ListenAddr::parse(text).unwrap();
            assert_eq!(parse(one).overlaps(&parse(two)), expect, "{one} {two}");
            assert_eq!(parse(two).overlaps(&parse(one)), expect, "{two} {one}");
        }
        check("0.0.0.0:1", "127.0.0.1:1", true);
        check("[::]:1", "127.0.0.1:1", true);
        check("127.0.0.2:1", "127.0.0.1:1", false);
        check("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true);
        check("127.0.0.1:1", "127.0.0.1:1", true);
        check("0.0.0.0:1", "0.0.0.0:2", false);
        check("unix:/a", "unix:/a", true);
        check("unix:/a", "0.0.0.0:1", false);
    }

    #[test]
    fn ports_are_1_to_65535() {
        assert_eq!(port("1"), Ok(1));
        assert_eq!(port("65535"), Ok(65_535));
        for text in ["0", "65536", "70000", "-1", "http", "+80", ""] {
            assert!(port(text).is_err(), "{text:?}");
        }
    }
}
