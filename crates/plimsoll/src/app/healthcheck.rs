//! `healthcheck`: the binary requests `/health` of the running service, for images without a shell.

#[cfg(feature = "tls")]
mod tls;

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    time::Duration,
};

use crate::config::{Config, ConfigErrors, InfraEndpoints, ListenAddr, Loaded};

/// The timeout of each step. Orchestrators abandon a probe after a few seconds.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Requests `/health` of the service with these settings.
///
/// # Errors
///
/// A message for stderr, if the answer is not 200.
pub(super) fn run<S>(loaded: Result<Loaded<S>, ConfigErrors>) -> Result<(), String> {
    let config = loaded.map_err(|errors| errors.to_string())?.config;
    let (addr, answered) = match &config.admin_addr {
        // Only the admin listener answers probes then, and it never uses TLS.
        Some(admin) if config.infra_endpoints == InfraEndpoints::Admin => {
            (admin, connect(admin).and_then(request))
        }
        _ => {
            let main = &config.listen;
            let stream = connect(main);
            (
                main,
                stream.and_then(|stream| request_main(&config, stream)),
            )
        }
    };
    match answered {
        Ok(200) => Ok(()),
        Ok(status) => Err(format!("GET /health on {addr} answered {status}")),
        Err(error) => Err(format!("GET /health on {addr}: {error}")),
    }
}

/// A TCP or Unix stream.
trait ProbeStream: Read + Write {}

impl<T: Read + Write> ProbeStream for T {}

fn connect(addr: &ListenAddr) -> io::Result<Box<dyn ProbeStream>> {
    match addr {
        ListenAddr::Tcp(addr) => {
            let stream = TcpStream::connect_timeout(&reachable(*addr), TIMEOUT)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            Ok(Box::new(stream))
        }
        ListenAddr::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            Ok(Box::new(stream))
        }
    }
}

/// Returns the address to connect to for a listening address.
pub(super) fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// Sends the request to the main listener, with PROXY header and TLS if the settings require them.
fn request_main(config: &Config, mut stream: Box<dyn ProbeStream>) -> io::Result<u16> {
    let trusted = match &config.listen {
        ListenAddr::Tcp(addr) => config.trusted_proxies.contains(reachable(*addr).ip()),
        ListenAddr::Unix(_) => config.trusted_proxies.unix(),
    };
    if config.proxy_protocol && trusted {
        // A trusted peer must send a header. `UNKNOWN` keeps the peer's own address.
        stream.write_all(b"PROXY UNKNOWN\r\n")?;
    }
    match &config.tls {
        #[cfg(feature = "tls")]
        Some(files) => tls::request(files, stream),
        _ => request(stream),
    }
}

/// Sends the request and reads the status of the response.
fn request(mut stream: impl Read + Write) -> io::Result<u16> {
    stream.write_all(
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nUser-Agent: healthcheck\r\nConnection: close\r\n\r\n",
    )?;
    let mut response = Vec::new();
    // Only the status line is used. The rest is shorter than the limit.
    stream.take(4096).read_to_end(&mut response)?;
    response
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "this is no HTTP answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CLI-2
    #[test]
    fn unspecified_address_is_reached_over_loopback() {
        #[track_caller]
        fn check(listened: &str, reached: &str) {
            assert_eq!(
                reachable(listened.parse().unwrap()),
                reached.parse().unwrap()
            );
        }
        check("0.0.0.0:80", "127.0.0.1:80");
        check("[::]:80", "[::1]:80");
        check("10.0.0.1:80", "10.0.0.1:80");
    }
}
