//! Signals, sent by the program `kill`.

use std::process::{Command, Stdio};

/// A signal, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// SIGTERM: please end.
    Term,
    /// SIGINT: what a terminal sends for Ctrl-C.
    Int,
    /// SIGQUIT: end without delay.
    Quit,
    /// SIGHUP: the terminal is gone, or read your files again.
    Hup,
    /// SIGUSR1: whatever the program takes it for.
    Usr1,
    /// SIGUSR2: whatever the program takes it for.
    Usr2,
    /// SIGPIPE: nobody reads.
    Pipe,
    /// SIGSTOP: stand still.
    Stop,
    /// SIGCONT: go on.
    Cont,
    /// SIGKILL: end now.
    Kill,
}

impl Signal {
    /// Sends this signal to any process, for example to a grandchild.
    ///
    /// # Panics
    ///
    /// When there is no such process, or it is not ours.
    #[track_caller]
    pub fn send(self, pid: u32) {
        // The program saves this crate from `unsafe`, and the service's tests from one more
        // dependency.
        let status = Command::new("kill")
            .arg(format!("-{}", self.name()))
            .arg(pid.to_string())
            .stderr(Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => panic!("cannot send {self:?} to {pid}: {status}"),
            Err(error) => panic!("the program `kill` cannot be run: {error}"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Hup => "HUP",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Pipe => "PIPE",
            Self::Stop => "STOP",
            Self::Cont => "CONT",
            Self::Kill => "KILL",
        }
    }
}
