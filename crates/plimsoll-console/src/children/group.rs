//! Signals to the process group of a service.
//!
//! Each service has a group of its own, whose id is that of its first process.
//! Ctrl-C in the terminal therefore reaches the console only, and the console decides what follows.

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// Sends a signal to all processes of the group. If all have ended, it does nothing.
pub(super) fn signal(group: u32, signal: Signal) {
    if let Some(group) = id(group) {
        // The only failure of a group of ours is that it has no process any more.
        let _ = kill_process_group(group, signal);
    }
}

/// Whether a process of the group exists, an ended one that was not waited for included.
pub(super) fn exists(group: u32) -> bool {
    id(group).is_some_and(|group| test_kill_process_group(group).is_ok())
}

fn id(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;

    use super::*;

    #[test]
    fn signal_reaches_the_group_until_it_has_ended() {
        let mut command = std::process::Command::new("sleep");
        let mut child = command.arg("60").process_group(0).spawn().unwrap();
        let group = child.id();
        assert!(exists(group));
        signal(group, Signal::KILL);
        assert!(!child.wait().unwrap().success());
        assert!(!exists(group));
        assert!(!exists(0) && !exists(u32::MAX));
    }
}
