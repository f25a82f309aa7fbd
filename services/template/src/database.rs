//! Postgres: a pool for the requests, and a health check with a connection of its own.
//!
//! `/ready` is 503 until the database has answered once. Later, an outage is logged and counted, and
//! the instance stays in rotation: all instances share the database.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use plimsoll::{Check, Handle, SetupError, check::CheckFuture};
use serde_json::{Value, json};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::Mutex;

use crate::{error::ApiError, settings::Settings, state::AppState};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS visits (guest text NOT NULL)";

/// A request that waits longer for a connection fails, well before REQUEST_TIMEOUT.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// Creates the pool. It opens connections on demand, also after an outage.
pub(crate) fn pool(settings: &Settings) -> Result<PgPool, sqlx::Error> {
    Ok(PgPoolOptions::new()
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options(settings)?))
}

fn options(settings: &Settings) -> Result<PgConnectOptions, sqlx::Error> {
    settings.database_url.expose().parse()
}

/// Creates the tables, if the database answers.
pub(crate) async fn prepare(pool: PgPool) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SCHEMA).execute(&pool).await.map(drop)
}

pub(crate) fn register(handle: &Handle<Settings>, state: &AppState) -> Result<(), SetupError> {
    let check = Check::degrade("database", ping(options(handle.settings())?));
    handle.check(check.required_at_start())?;
    let pool = state.database.clone();
    handle.on_shutdown("database", async move { pool.close().await });
    Ok(())
}

/// Returns the health check.
///
/// No request uses its connection, so a busy pool does not look like a failed database. A failed run
/// closes that connection: after a network failure, it may never answer again.
fn ping(options: PgConnectOptions) -> impl Fn() -> CheckFuture + Send + Sync {
    let kept = Arc::new(Mutex::new(None::<PgConnection>));
    move || {
        let (options, kept) = (options.clone(), Arc::clone(&kept));
        Box::pin(async move {
            let mut kept = kept.lock().await;
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => options.connect().await?,
            };
            connection.ping().await?;
            *kept = Some(connection);
            Ok(())
        })
    }
}

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/visits", get(visits))
        .route("/visits/{guest}", post(visit))
}

async fn visit(
    State(state): State<AppState>,
    Path(guest): Path<String>,
) -> Result<StatusCode, ApiError> {
    sqlx::query("INSERT INTO visits (guest) VALUES ($1)")
        .bind(guest)
        .execute(&state.database)
        .await?;
    Ok(StatusCode::CREATED)
}

async fn visits(State(state): State<AppState>) -> Result<Json<Value>, ApiError> {
    let visits: i64 = sqlx::query_scalar("SELECT count(*) FROM visits")
        .fetch_one(&state.database)
        .await?;
    Ok(Json(json!({ "visits": visits })))
}
