//! A dependency for tests, whose check succeeds, fails, hangs or panics by command.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::CheckFn;
use crate::sync::{Mutex, lock};

/// Stands for a dependency in a test, with [`App::fake`](crate::App::fake). Clones share one state.
#[derive(Debug, Clone)]
pub struct Dependency {
    state: Arc<DependencyState>,
}

#[derive(Debug)]
struct DependencyState {
    behaviour: Mutex<Behaviour>,
    calls: AtomicU64,
}

#[derive(Debug, Clone)]
enum Behaviour {
    Up,
    Fails(String),
    Hangs,
    Panics,
}

impl Dependency {
    /// Creates a dependency whose check succeeds.
    #[must_use]
    pub fn up() -> Self {
        Self {
            state: Arc::new(DependencyState {
                behaviour: Mutex::new(Behaviour::Up),
                calls: AtomicU64::new(0),
            }),
        }
    }

    /// Makes each further run fail with this error.
    pub fn fails(&self, text: &str) {
        self.set(Behaviour::Fails(text.to_owned()));
    }

    /// Makes each further run reach its limit.
    pub fn hangs(&self) {
        self.set(Behaviour::Hangs);
    }

    /// Makes each further run panic.
    pub fn panics(&self) {
        self.set(Behaviour::Panics);
    }

    /// Makes each further run succeed.
    pub fn recovers(&self) {
        self.set(Behaviour::Up);
    }

    /// Returns the number of runs so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::Relaxed)
    }

    fn set(&self, behaviour: Behaviour) {
        *lock(&self.state.behaviour) = behaviour;
    }

    pub(crate) fn check(&self) -> CheckFn {
        let state = Arc::clone(&self.state);
        Arc::new(move || {
            state.calls.fetch_add(1, Ordering::Relaxed);
            let behaviour = lock(&state.behaviour).clone();
            Box::pin(async move {
                match behaviour {
                    Behaviour::Up => Ok(()),
                    Behaviour::Fails(text) => Err(text.into()),
                    Behaviour::Hangs => pending().await,
                    Behaviour::Panics => panic!("the dependency panics"),
                }
            })
        })
    }
}
