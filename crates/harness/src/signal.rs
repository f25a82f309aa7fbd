//! Signals to processes.

use rustix::process::{self, Pid, kill_process};

/// A signal, with its effect on a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let Some(id) = id else {
            panic!("cannot send {self:?} to {pid}: not the id of a process");
        };
        if let Err(error) = kill_process(id, self.number()) {
            panic!("cannot send {self:?} to {pid}: {error}");
        }
    }

    fn number(self) -> process::Signal {
        match self {
            Self::Term => process::Signal::TERM,
            Self::Int => process::Signal::INT,
            Self::Quit => process::Signal::QUIT,
            Self::Hup => process::Signal::HUP,
            Self::Usr1 => process::Signal::USR1,
            Self::Usr2 => process::Signal::USR2,
            Self::Pipe => process::Signal::PIPE,
            Self::Stop => process::Signal::STOP,
            Self::Cont => process::Signal::CONT,
            Self::Kill => process::Signal::KILL,
        }
    }
}
