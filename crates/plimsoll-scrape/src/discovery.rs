//! The sockets on which a process listens, from `/proc`.

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use procfs::{
    ProcError,
    net::{TcpState, UnixState},
    process::{FDTarget, Process},
};

use crate::{fetch::Endpoint, source::NoSource};

/// `SOCK_STREAM`, as `/proc/net/unix` has it.
const STREAM: u16 = 1;

/// Returns the sockets on which the process listens, the least public first.
///
/// Metrics are served there rather than on a public address: an admin listener, if there is one.
pub(crate) fn listeners(pid: u32) -> Result<Vec<Endpoint>, NoSource> {
    let id = i32::try_from(pid).map_err(|_| NoSource::NoProcess(pid))?;
    let sockets = Sockets::of(id).map_err(|error| match error {
        ProcError::NotFound(_) => NoSource::NoProcess(pid),
        source => NoSource::Unreadable {
            pid,
            source: io::Error::other(source),
        },
    })?;
    let mut endpoints: Vec<(Reach, Endpoint)> = sockets
        .tcp
        .into_iter()
        .map(|address| {
            (
                Reach::of(address.ip()),
                Endpoint::address(reachable(address)),
            )
        })
        .chain(
            sockets
                .unix
                .into_iter()
                .map(|path| (Reach::File, Endpoint::Unix(path))),
        )
        .collect();
    // Sockets of the same reach are tried in the order in which the process opened them.
    endpoints.sort_by_key(|(reach, _)| *reach);
    Ok(endpoints
        .into_iter()
        .map(|(_, endpoint)| endpoint)
        .collect())
}

/// From where a socket can be reached, the least public first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    File,
    Loopback,
    OneAddress,
    AllAddresses,
}

impl Reach {
    fn of(ip: IpAddr) -> Self {
        if ip.is_loopback() {
            Self::Loopback
        } else if ip.is_unspecified() {
            Self::AllAddresses
        } else {
            Self::OneAddress
        }
    }
}

/// Returns the address to connect to: the loopback address for a socket on all addresses.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[derive(Debug)]
struct Sockets {
    tcp: Vec<SocketAddr>,
    unix: Vec<PathBuf>,
}

impl Sockets {
    fn of(id: i32) -> Result<Self, ProcError> {
        let process = Process::new(id)?;
        let descriptors = process.fd()?.flatten();
        let sockets: HashSet<u64> = descriptors
            .filter_map(|descriptor| match descriptor.target {
                FDTarget::Socket(inode) => Some(inode),
                _ => None,
            })
            .collect();
        let is_open = |inode: u64| sockets.contains(&inode);
        // A kernel without IPv6 has no `tcp6`.
        let tcp6 = process.tcp6().unwrap_or_default();
        let mut tcp: Vec<_> = process.tcp()?.into_iter().chain(tcp6).collect();
        tcp.retain(|entry| entry.state == TcpState::Listen && is_open(entry.inode));
        tcp.sort_by_key(|entry| entry.inode);
        let unix = process.unix()?.into_iter().filter(|entry| {
            let is_listener = entry.state == UnixState::UNCONNECTED && entry.socket_type == STREAM;
            is_listener && is_open(entry.inode)
        });
        // A path that begins with `@` is an abstract name, and no file.
        let unix = unix.filter_map(|entry| entry.path.filter(|path| path.is_absolute()));
        Ok(Self {
            tcp: tcp.into_iter().map(|entry| entry.local_address).collect(),
            unix: unix.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn listeners_are_found_the_least_public_first() {
        let folder = std::env::temp_dir().join(format!("plimsoll-scrape-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("socket");
        let public = TcpListener::bind("0.0.0.0:0").unwrap();
        let loopback = TcpListener::bind("127.0.0.1:0").unwrap();
        let unix = UnixListener::bind(&path).unwrap();
        let found = listeners(std::process::id()).unwrap();
        let place = |endpoint: &Endpoint| found.iter().position(|it| it == endpoint).unwrap();

        let port = public.local_addr().unwrap().port();
        let public = place(&Endpoint::address(SocketAddr::from(([127, 0, 0, 1], port))));
        let loopback = place(&Endpoint::address(loopback.local_addr().unwrap()));
        let unix_place = place(&Endpoint::Unix(path));
        assert!(unix_place < loopback && loopback < public, "{found:?}");
        drop(unix);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn process_that_does_not_exist_is_an_error() {
        // No process has an id above the limit of the kernel, 2^22.
        let error = listeners(1 << 23).unwrap_err();
        assert!(matches!(error, NoSource::NoProcess(_)), "{error}");
    }
}
