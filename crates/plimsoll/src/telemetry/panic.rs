//! Logs panics as records with location and request id, instead of text on stderr.
//!
//! The panic hook of the process runs at every panic, also if it is caught later, and writes one record.
//! [`catch`] turns the panic of a handler into an error. The caller writes the record only if the hook
//! has not: without a hook, or if the panic was resumed (`resume_unwind`).

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind},
    sync::{
        OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Log, log::WeakLog};
use crate::{config::Level, request};

/// The location and the message of a panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PanicPlace {
    /// `file:line:column`.
    pub(crate) location: String,
    /// The message of `panic!`, or a fixed text if the payload is not a string.
    pub(crate) message: String,
}

impl PanicPlace {
    /// Writes the one record of a panic (contract SRV-5).
    pub(crate) fn write(&self, log: &Log) {
        if !log.is_enabled(Level::Error, "panic") {
            return;
        }
        request::with_request_id(|request_id| {
            log.write_panic(&self.location, request_id, |record| {
                // Before the message, which may fill the line.
                record.str("location", &self.location);
                record.str("panicMessage", &self.message);
                record.trace(request::recorded_span());
            });
        });
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<PanicPlace>> = const { RefCell::new(None) };
}

/// Runs `work`, and returns its panic as an error, without a record.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, PanicPlace> {
    let outer = QUIET.replace(true);
    let result = catch(work);
    QUIET.set(outer);
    result.map_err(|caught| caught.place)
}

/// A panic that was caught.
#[derive(Debug)]
pub(crate) struct CaughtPanic {
    pub(crate) place: PanicPlace,
    /// Whether the hook has logged and counted it.
    pub(crate) recorded: bool,
}

/// Runs `work`, and returns its panic as an error.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, CaughtPanic> {
    // An earlier panic of this thread must not be mistaken for this one.
    LAST.take();
    // State that a panic leaves inconsistent is dropped with the request.
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let message = text(&*payload);
        match LAST.take() {
            Some(place) if place.message == message => CaughtPanic {
                place,
                recorded: true,
            },
            _ => CaughtPanic {
                place: PanicPlace {
                    location: "unknown".to_owned(),
                    message,
                },
                recorded: false,
            },
        }
    })
}

static HOOKED: AtomicU64 = AtomicU64::new(0);

/// Returns the number of panics that the hook has logged, in the whole process.
pub(crate) fn count_hooked_panics() -> u64 {
    HOOKED.load(Ordering::Relaxed)
}

/// Installs a panic hook that logs all panics of the process to `log` instead of stderr.
///
/// [`App::run`](crate::App::run) calls this. A later call replaces the log.
///
/// While the log exists, the previous hook is not called: it would write to stderr, where a slow reader
/// blocks the request. The hook does not keep the log alive. After the last handle of the log is
/// dropped, the previous hook is called again.
pub fn install_panic_hook(log: &Log) {
    static LOG: OnceLock<RwLock<WeakLog>> = OnceLock::new();
    let mut first = false;
    let slot = LOG.get_or_init(|| {
        first = true;
        RwLock::new(log.downgrade())
    });
    if first {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = place(info);
            if !QUIET.get() {
                HOOKED.fetch_add(1, Ordering::Relaxed);
                let slot = LOG.get();
                let log =
                    slot.map(|slot| slot.read().unwrap_or_else(PoisonError::into_inner).clone());
                match log.and_then(|log| log.upgrade()) {
                    Some(log) => place.write(&log),
                    None => previous(info),
                }
            }
            LAST.set(Some(place));
        }));
    } else {
        *slot.write().unwrap_or_else(PoisonError::into_inner) = log.downgrade();
    }
}

fn place(info: &PanicHookInfo<'_>) -> PanicPlace {
    let location = info.location().map_or_else(
        || "unknown".to_owned(),
        |at| format!("{}:{}:{}", at.file(), at.line(), at.column()),
    );
    PanicPlace {
        location,
        message: text(info.payload()),
    }
}

fn text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a value that is no text".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::mpsc, time::Duration};

    use super::*;
    use crate::{
        config::{LogFormat, LogLevels},
        telemetry::Output,
    };

    /// Disconnects its channel when it is dropped.
    struct Sink(#[expect(dead_code, reason = "held for its drop")] mpsc::Sender<()>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn panic_hook_does_not_keep_the_log_alive() {
        let (sender, ended) = mpsc::channel();
        let levels = LogLevels::all(Level::Info);
        let log = Log::start(Output::to(Sink(sender)), LogFormat::Json, levels, 1).unwrap();
        install_panic_hook(&log);
        drop(log);
        let end = ended.recv_timeout(Duration::from_secs(10));
        assert_eq!(end, Err(mpsc::RecvTimeoutError::Disconnected));
    }

    #[test]
    fn nested_quiet_keeps_the_outer_quiet() {
        let outer = quietly(|| {
            let inner = quietly(|| panic!("inner"));
            (inner.map_err(|place| place.message), QUIET.get())
        });
        assert_eq!(outer, Ok((Err("inner".to_owned()), true)));
        assert!(!QUIET.get());
    }
}
