//! A service with Postgres: a secret setting, a connection that is opened again when it is lost, and
//! a health check with a connection of its own.
//!
//! One connection serves all requests, because `tokio-postgres` sends statements without waiting for
//! the results of earlier ones. A program with transactions needs a pool in its place.
//!
//! ```text
//! DATABASE_URL="host=/run/postgresql user=me dbname=me" cargo run -p plimsoll --example with_database
//! curl -X POST http://localhost:8080/visits/ann
//! ```

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use plimsoll::{
    App, Check, Exit, Handle, SetupError, build_info,
    check::CheckFuture,
    config::{Invalid, Reader, Secret, Settings},
};
use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, NoTls};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS visits (guest text NOT NULL)";

fn main() -> Exit {
    App::with_settings::<Own>(build_info!())
        .about("Counts visits in Postgres.")
        .setup(set_up)
        .run()
}

/// The settings of this service.
struct Own {
    database_url: Secret,
}

impl Settings for Own {
    fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
        let database_url = from
            .setting(
                "DATABASE_URL",
                "Address of the database, with its password.",
            )
            .read();
        Ok(Self {
            database_url: database_url?,
        })
    }
}

async fn set_up(handle: Handle<Own>) -> Result<Router, SetupError> {
    let config: Config = handle.settings().database_url.expose().parse()?;
    let config = Arc::new(config);
    // A database that starts later than the service is waited for; each failed attempt is logged.
    let address = Arc::clone(&config);
    let client = handle
        .connect("database", move || connect(Arc::clone(&address)))
        .await?;
    let database = Database {
        config: Arc::clone(&config),
        client: Arc::new(Mutex::new(Arc::new(client))),
    };
    database.client().await?.batch_execute(SCHEMA).await?;
    let check = Check::degrade("database", ping(config));
    // A failure is visible within 8 s; with the defaults of 10 s and 2 s it takes up to 35 s.
    let check = check.every(Duration::from_secs(2));
    handle.check(check.within(Duration::from_secs(1)).required_at_start())?;
    Ok(Router::new()
        .route("/visits/{guest}", post(visit))
        .route("/visits", get(visits))
        .with_state(database))
}

/// A connection to the database. Clones share it.
#[derive(Clone)]
struct Database {
    config: Arc<Config>,
    client: Arc<Mutex<Arc<Client>>>,
}

impl Database {
    /// The connection, opened again if it was lost.
    async fn client(&self) -> Result<Arc<Client>, tokio_postgres::Error> {
        // The lock is held while a connection opens, so that requests open one and not many.
        let mut client = self.client.lock().await;
        if client.is_closed() {
            *client = Arc::new(connect(Arc::clone(&self.config)).await?);
            tracing::info!("database_connected_again");
        }
        Ok(Arc::clone(&client))
    }
}

/// Opens a connection. A task drives it until the client is dropped or the connection is lost.
async fn connect(config: Arc<Config>) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(error = &error as &dyn Error, "database_connection_lost");
        }
    });
    Ok(client)
}

/// Returns the health check of the database.
///
/// It has a connection that no request uses, so a busy connection does not look like a failed
/// database. A failed run closes that connection: after a network failure, it may never answer again.
fn ping(config: Arc<Config>) -> impl Fn() -> CheckFuture + Send + Sync {
    let kept = Arc::new(Mutex::new(None));
    move || {
        let (config, kept) = (Arc::clone(&config), Arc::clone(&kept));
        Box::pin(async move {
            let mut kept = kept.lock().await;
            let client = match kept.take().filter(|client: &Client| !client.is_closed()) {
                Some(client) => client,
                None => connect(config).await?,
            };
            client.batch_execute("SELECT 1").await?;
            *kept = Some(client);
            Ok(())
        })
    }
}

async fn visit(
    State(database): State<Database>,
    Path(guest): Path<String>,
) -> Result<StatusCode, Unavailable> {
    let client = database.client().await?;
    client
        .execute("INSERT INTO visits (guest) VALUES ($1)", &[&guest])
        .await?;
    Ok(StatusCode::CREATED)
}

async fn visits(State(database): State<Database>) -> Result<String, Unavailable> {
    let client = database.client().await?;
    let row = client.query_one("SELECT count(*) FROM visits", &[]).await?;
    Ok(format!("{}\n", row.get::<_, i64>(0)))
}

/// The database did not answer.
struct Unavailable(tokio_postgres::Error);

impl From<tokio_postgres::Error> for Unavailable {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        tracing::error!(error = &self.0 as &dyn Error, "database_failed");
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }
}
