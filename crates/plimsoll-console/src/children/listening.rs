//! The address of a service that does not report it: the first listening socket of its group.
//!
//! Where there is no `/proc`, nothing is found.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

/// Returns the address with the lowest port on which a process of the group listens.
pub(super) fn address(group: u32) -> Option<SocketAddr> {
    let sockets = sockets_of(group);
    if sockets.is_empty() {
        return None;
    }
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter();
    let texts = tables.filter_map(|table| fs::read_to_string(table).ok());
    let found = texts.flat_map(|text| listeners(&text));
    let own = found.filter(|(_, inode)| sockets.contains(inode));
    own.map(|(address, _)| address).min_by_key(SocketAddr::port)
}

/// Whether a process is of the group. Without `/proc`, none is known to be.
pub(super) fn is_of_group(process: u64, group: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    stat.ok().and_then(|stat| group_of(&stat)) == Some(group)
}

/// Returns the inodes of all sockets of the group's processes.
fn sockets_of(group: u32) -> BTreeSet<u64> {
    let processes = processes(group);
    let descriptors = processes.flat_map(|process| {
        let descriptors = fs::read_dir(process.join("fd"));
        descriptors.into_iter().flatten().flatten()
    });
    let links = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    let inode = |link: PathBuf| {
        let inode = link.to_str()?.strip_prefix("socket:[")?;
        inode.strip_suffix(']')?.parse().ok()
    };
    links.filter_map(inode).collect()
}

/// Returns the folders in `/proc` of the group's processes.
fn processes(group: u32) -> impl Iterator<Item = PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.map(|process| process.path());
    processes.filter(move |process| {
        let stat = fs::read_to_string(process.join("stat"));
        stat.ok().and_then(|stat| group_of(&stat)) == Some(group)
    })
}

/// Returns the process group in `/proc/PID/stat`. The name before it can contain spaces and brackets.
fn group_of(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(2)?.parse().ok()
}

/// Returns address and inode of each listening socket in a table such as `/proc/net/tcp`.
fn listeners(table: &str) -> Vec<(SocketAddr, u64)> {
    const LISTEN: &str = "0A";
    let row = |line: &str| {
        let mut fields = line.split_whitespace();
        let (ip, port) = fields.nth(1)?.rsplit_once(':')?;
        if fields.nth(1)? != LISTEN {
            return None;
        }
        let inode = fields.nth(5)?.parse().ok()?;
        let port = u16::from_str_radix(port, 16).ok()?;
        Some((SocketAddr::new(ip_of(ip)?, port), inode))
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// Reads an address of the tables: words of 32 bits in the byte order of the machine.
fn ip_of(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_follows_a_name_with_brackets() {
        assert_eq!(group_of("12 (a) b) S 1 34 34 0"), Some(34));
        assert_eq!(group_of(""), None);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn only_listening_sockets_are_listed() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1
   1: 0100007F:1F91 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 778 1
   2: 00000000000000000000000001000000:1F92 0:0 0A 0:0 00:0 0     0        0 779 1
";
        let expected = [("127.0.0.1:8080", 777), ("[::1]:8082", 779)];
        let expected = expected.map(|(address, inode)| (address.parse().unwrap(), inode));
        assert_eq!(listeners(table), expected);
    }
}
