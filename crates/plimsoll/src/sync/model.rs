//! The names of `sync` in a model, and what `shuttle` lacks of them.

pub(crate) use std::sync::PoisonError;

pub(crate) use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard, Weak, atomic};

use self::atomic::{AtomicBool, Ordering};

/// How many orders a model tries out.
const ORDERS: usize = 3_000;

/// Runs a model in many orders, such as come up by chance at every access.
pub(crate) fn check(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(model, ORDERS);
}

/// Threads of the model.
pub(crate) mod thread {
    use std::time::Duration;

    pub(crate) use shuttle::thread::{Builder, Thread, park};

    /// The time may be over at any moment, so whoever waits for it just lets others run.
    pub(crate) fn park_timeout(_: Duration) {
        shuttle::thread::yield_now();
    }
}

/// A value that is made once, by the first of those who want it.
#[derive(Debug, Default)]
pub(crate) struct OnceLock<T> {
    is_made: AtomicBool,
    making: Mutex<()>,
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self {
            is_made: AtomicBool::new(false),
            making: Mutex::new(()),
            value: std::sync::OnceLock::new(),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        // Others may run before the look.
        let is_made = self.is_made.load(Ordering::SeqCst);
        is_made.then(|| self.value.get()).flatten()
    }

    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        if self.get().is_none() {
            let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            if self.value.get().is_none() {
                // Others may run while it is made; they wait for the lock.
                let value = make();
                self.value.get_or_init(|| value);
                self.is_made.store(true, Ordering::SeqCst);
            }
        }
        self.value.get().expect("it has been made above")
    }
}
