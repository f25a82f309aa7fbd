//! A background worker: it logs at intervals how many greetings were sent.
//!
//! If a worker panics or returns early, it is started again after a delay. The drain waits for it.

use plimsoll::{Handle, ShutdownToken};

use crate::{settings::Settings, state::AppState};

pub(crate) fn register(handle: &Handle<Settings>, state: &AppState) {
    let state = state.clone();
    handle.worker("summary", move |shutdown| run(state.clone(), shutdown));
}

async fn run(state: AppState, shutdown: ShutdownToken) {
    let pause = || tokio::time::sleep(state.handle.settings().summary_interval);
    while shutdown.run_until(pause()).await.is_some() {
        tracing::info!(greetings = state.greetings.get(), "summary");
    }
}
