//! What threads share, and how they wait: the standard library's.
//!
//! In a model it is that of `shuttle`, by the same names: there one thread runs at a time, and the
//! model decides at each access which one. So a test tries out orders in which threads may run,
//! thousands of them, and a thread that waits for ever is an error that is told. It takes every
//! access to be in one order for all threads, so what is too weak an `Ordering` shows elsewhere.
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
/// For data that is valid after each single store, or whose changes cannot panic half-way.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
