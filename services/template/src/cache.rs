//! Redis: a counter that requests can do without, and a health check that only reports.
//!
//! The start does not wait for Redis, and an outage changes neither `/ready` nor a status code.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::post,
};
use plimsoll::{Check, Handle, SetupError, check::CheckFuture};
use redis::{
    AsyncTypedCommands as _, Client, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{settings::Settings, state::AppState};

/// A page waits no longer than this for its counter.
const TIMEOUT: Duration = Duration::from_millis(500);

fn client(settings: &Settings) -> Result<Client, RedisError> {
    Client::open(settings.redis_url.expose())
}

/// Creates the connection. It opens at its first use, and again when it is lost.
pub(crate) fn connection(settings: &Settings) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_connection_timeout(Some(TIMEOUT))
        .set_response_timeout(Some(TIMEOUT));
    ConnectionManager::new_lazy_with_config(client(settings)?, config)
}

pub(crate) fn register(handle: &Handle<Settings>) -> Result<(), SetupError> {
    let client = client(handle.settings())?;
    handle.check(Check::observe("cache", ping(client)))?;
    Ok(())
}

/// Returns the health check, with a connection of its own that a failed run closes.
fn ping(client: Client) -> impl Fn() -> CheckFuture + Send + Sync {
    let kept = Arc::new(Mutex::new(None::<MultiplexedConnection>));
    move || {
        let (client, kept) = (client.clone(), Arc::clone(&kept));
        Box::pin(async move {
            let mut kept = kept.lock().await;
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => client.get_multiplexed_async_connection().await?,
            };
            connection.ping().await?;
            *kept = Some(connection);
            Ok(())
        })
    }
}

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/hits/{page}", post(hit))
}

/// Counts a hit. Without Redis the response has no count.
async fn hit(State(state): State<AppState>, Path(page): Path<String>) -> Json<Value> {
    let mut cache = state.cache;
    let hits = match cache.incr(format!("hits:{page}"), 1).await {
        Ok(hits) => Some(hits),
        Err(error) => {
            tracing::warn!(error = &error as &dyn Error, "cache_failed");
            None
        }
    };
    Json(json!({ "page": page, "hits": hits }))
}
