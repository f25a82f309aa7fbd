//! `GET /`, the banner; `GET /hello/{guest}`: a setting, an event with the id of its request, a metric
//! and an error.

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};

use crate::{error::ApiError, state::AppState};

const MAX_NAME: usize = 64;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(banner))
        .route("/hello/{guest}", get(hello))
}

async fn banner(State(state): State<AppState>) -> String {
    format!("{} is running\n", state.handle.config().build.service())
}

async fn hello(
    State(state): State<AppState>,
    Path(guest): Path<String>,
) -> Result<String, ApiError> {
    if guest.chars().count() > MAX_NAME {
        return Err(ApiError::InvalidName);
    }
    state.greetings.inc();
    tracing::info!(guest, "greeting_sent");
    let greeting = &state.handle.settings().greeting;
    Ok(format!("{greeting}, {guest}\n"))
}
