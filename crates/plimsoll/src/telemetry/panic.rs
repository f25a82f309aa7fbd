//! Panics become records: with the place, with the request's id, and not on stderr.
//!
//! The hook of the process sees every panic where it happens, whoever catches it, and writes its one
//! record there. A guard around a handler answers for it, and writes the record itself only where
//! no hook was installed, or where a panic goes on that was caught before (`resume_unwind`).

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind},
    sync::{
        OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Log, Priority, log::WeakLog};
use crate::{config::Level, request};

/// Where a panic happened, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PanicPlace {
    /// `file:line:column`.
    pub(crate) location: String,
    /// The text given to `panic!`, if it was a text.
    pub(crate) message: String,
}

impl PanicPlace {
    /// Writes the one record of a panic (contract SRV-5).
    pub(crate) fn write(&self, log: &Log) {
        if !log.is_enabled(Level::Error, "panic") {
            return;
        }
        request::with_request_id(|request_id| {
            log.write(
                Priority::High,
                Level::Error,
                "panic",
                "panic",
                request_id,
                |record| {
                    // Before the message, which may take all the room that the line has.
                    record.str("location", &self.location);
                    record.str("panicMessage", &self.message);
                    record.trace(request::recorded_span());
                },
            );
        });
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<PanicPlace>> = const { RefCell::new(None) };
}

/// Runs what answers with a panic, without a record of it.
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
    /// The hook has seen it, so it is recorded and counted.
    pub(crate) recorded: bool,
}

/// Catches a panic, and says what is known of it.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, CaughtPanic> {
    // What somebody else has caught before must not be taken for this one.
    LAST.take();
    // What a panic leaves half done is dropped with the request.
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

/// How many panics the hook has seen, in the whole process.
pub(crate) fn count_hooked_panics() -> u64 {
    HOOKED.load(Ordering::Relaxed)
}

/// Makes panics of the whole process records of `log`, in the place of text on stderr.
///
/// [`App::run`](crate::App::run) calls this. A later call puts another log in the place of
/// the first. The hook that was there before is not called as long as the log lives: it would write to
/// stderr, and a request would wait for the reader of that. The hook does not keep the log alive; when
/// no other handle of the log is left, the former hook is called again.
pub fn install_panic_hook(log: &Log) {
    static LOG: OnceLock<RwLock<WeakLog>> = OnceLock::new();
    let mut first = false;
    let slot = LOG.get_or_init(|| {
        first = true;
        RwLock::new(log.downgrade())
    });
    if first {
        let former = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = place(info);
            if !QUIET.get() {
                HOOKED.fetch_add(1, Ordering::Relaxed);
                let slot = LOG.get();
                let log =
                    slot.map(|slot| slot.read().unwrap_or_else(PoisonError::into_inner).clone());
                match log.and_then(|log| log.upgrade()) {
                    Some(log) => place.write(&log),
                    None => former(info),
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

    /// Says when it is dropped, as the receiver of its channel finds out.
    struct Sink(#[expect(dead_code, reason = "its drop is what counts")] mpsc::Sender<()>);

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
    fn nested_quiet_keeps_the_outer_one_quiet() {
        let outer = quietly(|| {
            let inner = quietly(|| panic!("inner"));
            (inner.map_err(|place| place.message), QUIET.get())
        });
        assert_eq!(outer, Ok((Err("inner".to_owned()), true)));
        assert!(!QUIET.get());
    }
}
