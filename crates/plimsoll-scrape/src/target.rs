//! The name of an instance: a URL, an address, a process or a unix socket.

use std::{fmt, path::PathBuf, str::FromStr};

use http::Uri;

/// The path of the metrics, if a target names no other.
pub(crate) const METRICS: &str = "/metrics";

/// The instance whose metrics are read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// An address in clear text: `http://HOST:PORT`, with a path or without, or `HOST:PORT`.
    Tcp {
        /// A name, or an address without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Path and query of the metrics.
        path: String,
    },
    /// A socket in the file system: `unix:PATH`.
    Unix(PathBuf),
    /// A local process, by its id.
    Process(u32),
}

/// A text that names no instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTarget {
    /// Neither form matches.
    #[error("it must be http://HOST:PORT, HOST:PORT, the id of a process, or unix:PATH")]
    Form,
    /// The scheme is not supported.
    #[error("it must begin with http://, since metrics are read in clear text")]
    Scheme,
    /// The URL has a user or a password.
    #[error("it has a user, and credentials are not sent")]
    User,
    /// The port is missing or no port.
    #[error("its port must be a number from 1 to 65535")]
    Port,
    /// The path of a socket is missing.
    #[error("its path is missing: unix:/run/service.sock")]
    Path,
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = (!path.is_empty()).then(|| path.into());
            return path.map(Self::Unix).ok_or(InvalidTarget::Path);
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let id = text.parse().ok().filter(|id| *id > 0);
            return id.map(Self::Process).ok_or(InvalidTarget::Form);
        }
        match text.split_once("://") {
            Some(("http", _)) => tcp(text, Some(80)),
            Some(_) => Err(InvalidTarget::Scheme),
            // `a:b/c` would be a URL without a scheme, which is not supported.
            None if text.contains('/') || !text.contains(':') => Err(InvalidTarget::Form),
            None => tcp(&format!("http://{text}"), None),
        }
    }
}

fn tcp(url: &str, default_port: Option<u16>) -> Result<Target, InvalidTarget> {
    let uri: Uri = url.parse().map_err(|_| InvalidTarget::Form)?;
    let authority = uri.authority().ok_or(InvalidTarget::Form)?;
    if authority.as_str().contains('@') {
        return Err(InvalidTarget::User);
    }
    let host = authority.host().trim_matches(['[', ']']);
    if host.is_empty() {
        return Err(InvalidTarget::Form);
    }
    // `Uri` drops a port that is no number, so the text decides whether there is one.
    let names_port = !authority.as_str().ends_with(authority.host());
    let port = match authority.port_u16() {
        None if !names_port => default_port,
        port => port,
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(Target::Tcp {
        host: host.to_owned(),
        port: port.filter(|port| *port > 0).ok_or(InvalidTarget::Port)?,
        path: if path == "/" { METRICS } else { path }.to_owned(),
    })
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, path } => {
                if host.contains(':') {
                    write!(f, "[{host}]:{port}")?;
                } else {
                    write!(f, "{host}:{port}")?;
                }
                // The usual path distinguishes no instance from another.
                if path == METRICS {
                    Ok(())
                } else {
                    f.write_str(path)
                }
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Process(id) => write!(f, "pid {id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn target(text: &str, expected: Target, shown: &str) {
        let target = text.parse::<Target>().unwrap();
        assert_eq!(target, expected, "{text}");
        assert_eq!(target.to_string(), shown);
    }

    fn tcp(host: &str, port: u16, path: &str) -> Target {
        Target::Tcp {
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        }
    }

    #[test]
    fn urls_addresses_sockets_and_processes_are_targets() {
        target("http://a:81", tcp("a", 81, "/metrics"), "a:81");
        target("http://a/", tcp("a", 80, "/metrics"), "a:80");
        target("http://a/x?y=1", tcp("a", 80, "/x?y=1"), "a:80/x?y=1");
        target(
            "127.0.0.1:81",
            tcp("127.0.0.1", 81, "/metrics"),
            "127.0.0.1:81",
        );
        target("[::1]:81", tcp("::1", 81, "/metrics"), "[::1]:81");
        target("http://[::1]", tcp("::1", 80, "/metrics"), "[::1]:80");
        target("unix:/run/a", Target::Unix("/run/a".into()), "unix:/run/a");
        target("812", Target::Process(812), "pid 812");
    }

    #[test]
    fn other_texts_are_rejected_with_their_reason() {
        let fault = |text: &str| text.parse::<Target>().unwrap_err();
        assert_eq!(fault(""), InvalidTarget::Form);
        assert_eq!(fault("localhost"), InvalidTarget::Form);
        assert_eq!(fault("localhost:81/metrics"), InvalidTarget::Form);
        assert_eq!(fault("0"), InvalidTarget::Form);
        assert_eq!(fault("99999999999"), InvalidTarget::Form);
        assert_eq!(fault("http://"), InvalidTarget::Form);
        assert_eq!(fault("https://a"), InvalidTarget::Scheme);
        assert_eq!(fault("http://a:b@c"), InvalidTarget::User);
        assert_eq!(fault("http://a:0"), InvalidTarget::Port);
        assert_eq!(fault("a:99999"), InvalidTarget::Port);
        assert_eq!(fault("unix:"), InvalidTarget::Path);
    }
}
