//! The signals of the process, from its first moment.
//!
//! | signal | what it does |
//! |---|---|
//! | SIGTERM, SIGINT | begins the end, and hurries it when it comes again |
//! | SIGQUIT | begins an end that skips to the flush |
//! | SIGHUP | has files read again |
//! | SIGUSR1, SIGUSR2 | nothing but a record: other servers have a meaning for them, and nobody who sends one wants the service to die |
//!
//! As PID 1 a process gets no default action: until a handler is installed the kernel throws the
//! signal away. So handlers are installed before anything that takes time.

use std::{io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

/// Signals closer together than this count as one: some supervisors signal a process and its group.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

/// Why the service ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Terminate,
    Interrupt,
    /// Without waiting for requests.
    Quit,
    /// The program asked for it.
    Requested,
}

impl Stop {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Requested => "requested",
        }
    }
}

/// The signals that mean something here. From here on their default action is off.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Option<Signal>,
    ignored: Option<[(&'static str, Signal); 2]>,
    first: Option<(Instant, Stop)>,
}

impl Signals {
    /// Installs the handlers.
    ///
    /// # Errors
    ///
    /// If the operating system refuses, which it does only for want of descriptors.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: Some(signal(SignalKind::hangup())?),
            ignored: Some([
                ("SIGUSR1", signal(SignalKind::user_defined1())?),
                ("SIGUSR2", signal(SignalKind::user_defined2())?),
            ]),
            first: None,
        })
    }

    /// SIGHUP, which asks for files to be read again and ends nothing. Given away once.
    pub(crate) fn hangup(&mut self) -> Option<Signal> {
        self.hangup.take()
    }

    /// Signals without a meaning, by name. Given away once.
    pub(crate) fn ignored(&mut self) -> impl Iterator<Item = (&'static str, Signal)> + use<> {
        self.ignored.take().into_iter().flatten()
    }

    /// Waits for the next signal. The first call returns the first one; each further call waits for
    /// one that comes at least a second after it, or for SIGQUIT (contract LIFE-3).
    ///
    /// # Cancel safety
    ///
    /// A cancelled call loses no signal.
    pub(crate) async fn next(&mut self) -> Stop {
        loop {
            let stop = tokio::select! {
                _ = self.terminate.recv() => Stop::Terminate,
                _ = self.interrupt.recv() => Stop::Interrupt,
                _ = self.quit.recv() => Stop::Quit,
            };
            match self.first {
                // A hurry is a hurry, however soon it comes.
                Some((_, first)) if stop == Stop::Quit && first != Stop::Quit => return stop,
                Some((at, _)) if at.elapsed() < ONE_SIGNAL => {}
                _ => {
                    self.first.get_or_insert_with(|| (Instant::now(), stop));
                    return stop;
                }
            }
        }
    }
}
