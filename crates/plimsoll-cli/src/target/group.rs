//! The process group of a service: its signals, and the ports on which its processes listen.
//!
//! A supervisor signals the main process, so [`signal`] does, too.
//! [`kill`] ends the whole group, so that no process survives the command.

use std::{collections::BTreeSet, fs, path::PathBuf};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Sends a signal to the main process. Returns whether the process existed.
pub(super) fn signal(pid: u32, signal: Signal) -> bool {
    id(pid).is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Kills all processes of the group.
pub(super) fn kill(group: u32) {
    signal_all(group, Signal::KILL);
}

/// Sends a signal to all processes of the group.
pub(super) fn signal_all(group: u32, signal: Signal) {
    if let Some(group) = id(group) {
        // If all processes have ended, there is no group, and nothing to signal.
        let _ = kill_process_group(group, signal);
    }
}

fn id(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Returns the TCP ports on which processes of the group listen. Empty where there is no `/proc`.
pub(super) fn listening_ports(group: u32) -> Vec<u16> {
    let sockets = sockets_of(group);
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let ports: BTreeSet<u16> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table))
        .filter(|(_, inode)| sockets.contains(inode))
        .map(|(port, _)| port)
        .collect();
    ports.into_iter().collect()
}

/// Whether all threads of the group are stopped or have ended. Without `/proc`, it is not known.
pub(super) fn is_stopped(group: u32) -> bool {
    let states = processes(group).flat_map(|process| {
        let threads = fs::read_dir(process.join("task"));
        let threads = threads.into_iter().flatten().flatten();
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok())
    });
    let mut states = states.peekable();
    states.peek().is_some() && states.all(|stat| is_stopped_state(&stat))
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

/// Returns the inodes of all sockets of the group's processes.
fn sockets_of(group: u32) -> BTreeSet<u64> {
    let mut sockets = BTreeSet::new();
    for process in processes(group) {
        let descriptors = fs::read_dir(process.join("fd"));
        for descriptor in descriptors.into_iter().flatten().flatten() {
            let link = fs::read_link(descriptor.path()).unwrap_or_default();
            let inode: Option<u64> = link.to_str().and_then(|link| {
                let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
                inode.parse().ok()
            });
            sockets.extend(inode);
        }
    }
    sockets
}

/// Whether the state in `/proc/PID/stat` is stopped, traced, or the end.
fn is_stopped_state(stat: &str) -> bool {
    let state = stat.rsplit_once(") ").map(|(_, state)| state);
    state.is_some_and(|state| state.starts_with(['T', 't', 'Z', 'X']))
}

/// Returns the process group in `/proc/PID/stat`. The name before it can contain spaces and brackets.
fn group_of(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(2)?.parse().ok()
}

/// Returns port and inode of each listening socket in a table such as `/proc/net/tcp`.
fn listeners(table: &str) -> Vec<(u16, u64)> {
    const LISTEN: &str = "0A";
    let row = |line: &str| {
        let mut fields = line.split_whitespace();
        let (_, port) = fields.nth(1)?.rsplit_once(':')?;
        if fields.nth(1)? != LISTEN {
            return None;
        }
        let inode = fields.nth(5)?.parse().ok()?;
        Some((u16::from_str_radix(port, 16).ok()?, inode))
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;

    use rustix::process::{WaitOptions, waitpid};

    use super::*;

    #[test]
    fn group_follows_a_name_with_brackets() {
        assert_eq!(group_of("12 (a) b) S 1 34 34 0"), Some(34));
        assert_eq!(group_of(""), None);
        assert!(is_stopped_state("12 (R) b) T 1 34 34 0"));
        assert!(!is_stopped_state("12 (T) T) R 1 34 34 0"));
    }

    #[test]
    fn stopped_group_is_seen() {
        let mut command = std::process::Command::new("sleep");
        let mut child = command.arg("60").process_group(0).spawn().unwrap();
        let group = child.id();
        assert!(!is_stopped(group));
        signal_all(group, Signal::STOP);
        // Returns when the process is stopped.
        let stop = waitpid(id(group), WaitOptions::UNTRACED);
        let is_seen = is_stopped(group);
        kill(group);
        child.wait().unwrap();
        let (_, status) = stop.unwrap().unwrap();
        assert!(status.stopped() && is_seen);
        assert!(!is_stopped(group));
    }

    #[test]
    fn only_listening_sockets_are_listed() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1
   1: 0100007F:1F91 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 778 1
";
        assert_eq!(listeners(table), [(8080, 777)]);
    }
}
