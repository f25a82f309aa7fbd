//! The hidden command `end-survivors`: kills what is left of the children when the console has ended.
//!
//! The kernel kills the main process of each child with the console (`exec.rs`), but not the processes
//! that it has started, such as those of a shell or of `cargo watch`.
//! So a small process reads the groups that exist from a pipe.
//! The pipe ends with the console, however that ends, and then the groups are killed.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, Write as _},
    os::unix::process::CommandExt as _,
    process::{ChildStdin, Command, ExitCode, Stdio},
};

use rustix::process::Signal;

use super::{group, spawn};

/// The first argument.
pub(crate) const NAME: &str = "end-survivors";

/// Kills the groups that remain at the end of standard input.
pub(crate) fn run() -> ExitCode {
    for group in remaining(io::stdin().lock()) {
        group::signal(group, Signal::KILL);
    }
    ExitCode::SUCCESS
}

/// Returns the groups that begin, with `+` and the id, and do not end, with `-` and the id.
fn remaining(input: impl BufRead) -> BTreeSet<u32> {
    let mut groups = BTreeSet::new();
    // An error of the pipe is its end.
    for line in input.lines().map_while(Result::ok) {
        match (line.get(..1), line.get(1..).map(str::parse)) {
            (Some("+"), Some(Ok(group))) => _ = groups.insert(group),
            (Some("-"), Some(Ok(group))) => _ = groups.remove(&group),
            _ => {}
        }
    }
    groups
}

/// The process that kills survivors, as the console sees it.
#[derive(Debug)]
pub(super) struct Survivors(Option<ChildStdin>);

impl Survivors {
    /// Starts the process. Without it, only main processes end with a killed console.
    pub(super) fn start() -> Self {
        Self(start().ok())
    }

    /// Records that a group exists.
    pub(super) fn add(&mut self, group: u32) {
        self.write(&format!("+{group}\n"));
    }

    /// Records that no process of a group exists.
    pub(super) fn remove(&mut self, group: u32) {
        self.write(&format!("-{group}\n"));
    }

    fn write(&mut self, line: &str) {
        if let Some(input) = &mut self.0 {
            // If the process was killed, nothing reads the line.
            let _ = input.write_all(line.as_bytes());
        }
    }
}

fn start() -> io::Result<ChildStdin> {
    let mut command = Command::new(spawn::own_program()?);
    command
        .arg(NAME)
        // Ctrl-C must not reach it before the children have ended.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn()?;
    let input = child.stdin.take();
    input.ok_or_else(|| io::Error::other("the process has no input"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_remain_until_they_end() {
        let text = b"+7\n+8\n-7\n+\n-9\nx\n\n+9\n+12";
        assert_eq!(remaining(&text[..]), BTreeSet::from([8, 9, 12]));
        assert_eq!(remaining(&b""[..]), BTreeSet::new());
    }
}
