//! Workers: background workers, connections at start-up, stuck and missing threads.

mod background;
mod background_shutdown;
mod connect;
mod stuck;
mod threads;

use axum::Router;
use plimsoll::{App, Handle, SetupError, build_info};

/// Returns an app whose setup calls `register`.
fn app(register: impl FnOnce(&Handle) + Send + 'static) -> App {
    App::new(build_info!()).setup(|handle: Handle| async move {
        register(&handle);
        Ok::<_, SetupError>(Router::new())
    })
}
