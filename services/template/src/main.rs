//! A small HTTP service: greetings, and what an operated service needs around them.

// +redis
mod cache;
// -redis
// +postgres
mod database;
// -postgres
#[cfg(feature = "demo")]
mod demo;
// +ws
mod echo;
// -ws
mod error;
mod greetings;
mod settings;
mod state;
mod summary;
#[cfg(test)]
mod tests;
mod upstream;

use axum::Router;
use plimsoll::{App, Exit, Handle, SetupError, build_info};

use crate::{settings::Settings, state::AppState};

/// Replaces musl's allocator, which has one lock for all threads. The image is linked with musl.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Exit {
    App::with_settings::<Settings>(build_info!())
        .about("A small HTTP service on plimsoll.")
        .info()
        .setup(set_up)
        .run()
}

async fn set_up(handle: Handle<Settings>) -> Result<Router, SetupError> {
    let state = AppState::new(&handle)?;
    // +postgres
    // A database that starts later than the service is waited for; each failed attempt is logged.
    let database = state.database.clone();
    handle
        .connect("database", move || database::prepare(database.clone()))
        .await?;
    // -postgres
    routes(&handle, state)
}

/// Registers workers, checks and hooks, and returns the routes. It waits for nothing, so tests use it
/// without the dependencies of the service.
fn routes(handle: &Handle<Settings>, state: AppState) -> Result<Router, SetupError> {
    summary::register(handle, &state);
    let router = Router::new()
        .merge(greetings::routes())
        .merge(upstream::routes());
    // +ws
    let router = router.merge(echo::routes());
    // -ws
    // +postgres
    let router = router.merge(database::routes());
    database::register(handle, &state)?;
    // -postgres
    // +redis
    let router = router.merge(cache::routes());
    cache::register(handle)?;
    // -redis
    #[cfg(feature = "demo")]
    let router = router.nest("/demo", demo::routes());
    Ok(router.with_state(state))
}
