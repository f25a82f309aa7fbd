//! What a service does after its last request: hooks, last registered first.
//!
//! What was set up last leans on what was set up before it, so it is taken down first.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    runtime,
    time::{Instant, timeout_at},
};

use crate::{config::Level, telemetry::Log};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The hooks of one service. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    list: Arc<Mutex<Vec<(String, Work)>>>,
}

impl Hooks {
    pub(crate) fn push(&self, name: &str, work: impl Future<Output = ()> + Send + 'static) {
        self.lock().push((name.to_owned(), Box::pin(work)));
    }

    /// How many have not begun.
    pub(crate) fn len(&self) -> u64 {
        self.lock().len() as u64
    }

    /// Runs all hooks, one after the other, until `deadline`. One that hangs or panics is named in
    /// a WARNING; those behind it still run if there is time. Returns how many were cut off.
    pub(crate) async fn run(&self, deadline: Instant, runtime: &runtime::Handle, log: &Log) -> u64 {
        let mut cut_off = 0;
        loop {
            // A hook may register further ones.
            let Some((name, work)) = self.lock().pop() else {
                return cut_off;
            };
            if Instant::now() >= deadline {
                cut_off += 1;
                log.infra(Level::Warning, "shutdown_hook_failed", |record| {
                    record.str("hook", &name);
                    record.str("problem", "had no time left to begin");
                });
                continue;
            }
            // A task of its own, so that a panic stays in it.
            let task = runtime.spawn(work);
            let abort = task.abort_handle();
            let problem = match timeout_at(deadline, task).await {
                Ok(Ok(())) => continue,
                Ok(Err(_)) => "panicked",
                Err(_) => {
                    cut_off += 1;
                    "did not end in time"
                }
            };
            abort.abort();
            log.infra(Level::Warning, "shutdown_hook_failed", |record| {
                record.str("hook", &name);
                record.str("problem", problem);
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Work)>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.lock().iter().map(|(name, _)| name))
            .finish()
    }
}
