//! The items of `sync` in a model: those of `shuttle`, and replacements for those it lacks.

pub(crate) use std::sync::PoisonError;

pub(crate) use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard, Weak, atomic};

use self::atomic::{AtomicBool, Ordering};

/// Interleavings that a model runs.
const ORDERS: usize = 3_000;

/// Runs a model with many random interleavings.
pub(crate) fn check(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(model, ORDERS);
}

/// Threads of the model.
pub(crate) mod thread {
    use std::time::Duration;

    pub(crate) use shuttle::thread::{Builder, Thread, park};

    /// Yields to other threads. In a model, a timeout may elapse at any moment.
    pub(crate) fn park_timeout(_: Duration) {
        shuttle::thread::yield_now();
    }
}

/// A value that is initialized once, by the first caller.
#[derive(Debug, Default)]
pub(crate) struct OnceLock<T> {
    is_set: AtomicBool,
    init: Mutex<()>,
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(crate) const fn new() -> Self {
        Self {
            is_set: AtomicBool::new(false),
            init: Mutex::new(()),
            value: std::sync::OnceLock::new(),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        // The access lets shuttle run other threads before the check.
        let is_set = self.is_set.load(Ordering::SeqCst);
        is_set.then(|| self.value.get()).flatten()
    }

    pub(crate) fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        if self.get().is_none() {
            let _lock = self.init.lock().unwrap_or_else(PoisonError::into_inner);
            if self.value.get().is_none() {
                // Other threads may run during the initialization. They wait for the lock.
                let value = init();
                self.value.get_or_init(|| value);
                self.is_set.store(true, Ordering::SeqCst);
            }
        }
        self.value.get().expect("it has been set above")
    }
}
