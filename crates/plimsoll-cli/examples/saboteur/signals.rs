//! Signals to the saboteur, and their faults.

use harness::Signal;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{Receiver, channel},
};

use crate::{activated, proxy::Proxy};

/// A signal, or `None` for SIGWINCH, which has no effect on the service.
type Received = Option<Signal>;

/// What follows from a signal.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The service gets the signal.
    Pass(Signal),
    None,
    /// The saboteur ends.
    End,
}

/// The most signals that wait.
const SIGNALS: usize = 8;

/// Installs the handlers.
pub(crate) fn listen() -> Receiver<Received> {
    let (sender, receiver) = channel(SIGNALS);
    for (kind, received) in [
        (SignalKind::terminate(), Some(Signal::Term)),
        (SignalKind::interrupt(), Some(Signal::Int)),
        (SignalKind::quit(), Some(Signal::Quit)),
        (SignalKind::hangup(), Some(Signal::Hup)),
        (SignalKind::user_defined1(), Some(Signal::Usr1)),
        (SignalKind::user_defined2(), Some(Signal::Usr2)),
        (SignalKind::window_change(), None),
    ] {
        let mut signals = signal(kind).expect("signals are available");
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() && sender.send(received).await.is_ok() {}
        });
    }
    receiver
}

/// Returns the effect of a signal with a fault.
pub(crate) fn effect(fault: &str, received: Received, proxy: &Proxy) -> Effect {
    match (fault, received) {
        ("LIFE-1:interrupt", Some(Signal::Int))
        | ("SIG-1:quit", Some(Signal::Quit))
        | ("SIG-2:continues", Some(Signal::Hup))
        | ("SIG-3:user", Some(Signal::Usr1))
        | ("SIG-3:ignored", None) => return Effect::End,
        ("LIFE-3:second", Some(Signal::Term)) if proxy.is_ending() => return Effect::None,
        // Requests over a socket of the service manager do not pass the saboteur.
        ("LIFE-4:start", Some(Signal::Term))
            if !proxy.has_served() && !activated::is_activated() =>
        {
            return Effect::None;
        }
        _ => {}
    }
    match received {
        None => Effect::None,
        Some(signal) => {
            match signal {
                Signal::Term | Signal::Int => proxy.begin_end(),
                Signal::Hup => proxy.reload(),
                _ => {}
            }
            Effect::Pass(signal)
        }
    }
}
