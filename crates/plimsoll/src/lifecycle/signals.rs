//! The signal handlers of the process.
//!
//! | signal | effect |
//! |---|---|
//! | SIGTERM, SIGINT | the first begins the shutdown, a second one forces it |
//! | SIGQUIT | begins a shutdown that skips to the flush |
//! | SIGHUP | reloads the TLS files |
//! | SIGUSR1, SIGUSR2 | only a log record: other servers use them, and their default action would end the process |
//!
//! For PID 1 there are no default actions: the kernel discards a signal without a handler. The
//! handlers are therefore installed before anything that takes time.

use std::{io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

/// Signals within this time count as one: some supervisors signal a process and its group.
const REPEAT_WINDOW: Duration = Duration::from_secs(1);

/// The reason of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Terminate,
    Interrupt,
    /// Does not wait for requests in flight.
    Quit,
    /// Requested by the program.
    Requested,
    /// Requested by an operator, on the admin listener.
    Operator,
}

impl Stop {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Requested => "requested",
            Self::Operator => "operator",
        }
    }
}

/// The installed signal handlers. They replace the default actions for the rest of the process.
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
    /// If the operating system rejects a handler, which happens only without free descriptors.
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

    /// Takes the stream of SIGHUP, which reloads files. `None` on further calls.
    pub(crate) fn hangup(&mut self) -> Option<Signal> {
        self.hangup.take()
    }

    /// Takes the streams of ignored signals, with their names. Empty on further calls.
    pub(crate) fn ignored(&mut self) -> impl Iterator<Item = (&'static str, Signal)> + use<> {
        self.ignored.take().into_iter().flatten()
    }

    /// Waits for the next signal that ends the service.
    ///
    /// The first call returns the first signal. Each further call returns one that arrives at least a
    /// second after the first, or a SIGQUIT (contract LIFE-3).
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
                // SIGQUIT forces the shutdown even within the window.
                Some((_, first)) if stop == Stop::Quit && first != Stop::Quit => return stop,
                Some((at, _)) if at.elapsed() < REPEAT_WINDOW => {}
                _ => {
                    self.first.get_or_insert_with(|| (Instant::now(), stop));
                    return stop;
                }
            }
        }
    }
}
