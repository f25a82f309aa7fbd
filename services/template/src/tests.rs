//! The service in this process, without its dependencies.

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
mod greetings;
mod summary;
mod upstream;

// +postgres
use plimsoll::testing::Dependency;
// -postgres
use plimsoll::{App, Handle, build_info, testing::TestService};

use crate::{routes, settings::Settings, state::AppState};

/// Nothing listens on the ports here.
const SETTINGS: &[(&str, &str)] = &[
    ("SUMMARY_INTERVAL", "60s"),
    ("UPSTREAM_URL", "http://127.0.0.1:1/hello/upstream"),
    // +postgres
    ("DATABASE_URL", "postgres://test@127.0.0.1:1/test"),
    // -postgres
    // +redis
    ("REDIS_URL", "redis://127.0.0.1:1"),
    // -redis
];

/// Returns the service without the wait for its dependencies.
fn app() -> App<Settings> {
    App::with_settings::<Settings>(build_info!())
        .setup(async |handle: Handle<Settings>| routes(&handle, AppState::new(&handle)?))
}

/// Starts the service with these settings in addition.
async fn start(settings: &[(&str, &str)]) -> TestService {
    let app = app();
    // +postgres
    let app = app.fake("database", &Dependency::up());
    // -postgres
    TestService::start(app, &[SETTINGS, settings].concat()).await
}
