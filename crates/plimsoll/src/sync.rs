//! Re-exports `std::sync` and `std::thread`, or shuttle's replacements in model tests.
//!
//! In a model, shuttle runs one thread at a time and chooses the next thread at each access. So a
//! test tries thousands of interleavings, and reports a deadlock as an error. Shuttle treats every
//! access as sequentially consistent, so a model does not find an `Ordering` that is too weak.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p plimsoll --lib --target-dir target/shuttle model
//! ```

#[cfg(all(test, shuttle))]
mod model;

#[cfg(all(test, shuttle))]
pub(crate) use self::model::{
    Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak, atomic, check, thread,
};
#[cfg(all(test, shuttle))]
pub(crate) use shuttle::thread_local;
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak, atomic},
    thread, thread_local,
};

/// Locks a mutex, also if a thread has panicked while it held the lock.
///
/// For data that is valid after each single store, or whose updates cannot panic midway.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
