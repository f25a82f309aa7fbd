//! Signals, sent by the program `kill`.

use std::process::{Command, Stdio};

/// A signal, with its effect on a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// SIGTERM: requests a graceful shutdown.
    Term,
    /// SIGINT: Ctrl-C in a terminal.
    Int,
    /// SIGQUIT: requests an immediate shutdown.
    Quit,
    /// SIGHUP: the terminal is closed, or files must be reloaded.
    Hup,
    /// SIGUSR1: defined by the program.
    Usr1,
    /// SIGUSR2: defined by the program.
    Usr2,
    /// SIGPIPE: the reader of a pipe has closed it.
    Pipe,
    /// SIGSTOP: suspends the process.
    Stop,
    /// SIGCONT: resumes the process.
    Cont,
    /// SIGKILL: kills the process.
    Kill,
}

impl Signal {
    /// Sends this signal to any process, for example to a grandchild.
    ///
    /// # Panics
    ///
    /// If there is no such process, or it has another owner.
    #[track_caller]
    pub fn send(self, pid: u32) {
        // The program avoids `unsafe` code and one more dependency.
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
