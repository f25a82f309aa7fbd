//! A service with Postgres: a secret setting, a pool, a health check with a connection of its own, a
//! background worker, and a hook that closes the pool.
//!
//! `docs/database.md` explains it part by part.
//!
//! ```text
//! DATABASE_URL="host=/run/postgresql user=me dbname=me" cargo run -p plimsoll --example with_database
//! curl -X POST http://localhost:8080/visits/ann
//! ```

use std::{error::Error, fmt::Write as _, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use deadpool_postgres::{
    BuildError, Manager, Pool, PoolError, Runtime,
    tokio_postgres::{self, Client, Config, NoTls},
};
use plimsoll::{
    App, Check, Exit, Handle, SetupError, ShutdownToken, build_info,
    check::CheckFuture,
    config::{Invalid, Reader, Secret, Settings},
};
use tokio::{
    sync::{Mutex, watch},
    time::sleep,
};

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
    let database = pool(config.clone())?;
    // A database that starts later than the service is waited for; each failed attempt is logged.
    let waiting = database.clone();
    let connect = move || {
        let database = waiting.clone();
        async move { database.get().await }
    };
    let client = handle.connect("database", connect).await?;
    client.batch_execute(SCHEMA).await?;
    assemble(&handle, config, database)
}

/// Creates the pool of the requests and of the worker. It opens connections on demand.
fn pool(config: Config) -> Result<Pool, BuildError> {
    // With a full pool, a request fails after this time and does not wait until its own timeout.
    let limit = Some(Duration::from_secs(2));
    Pool::builder(Manager::new(config, NoTls))
        .max_size(8)
        .wait_timeout(limit)
        .create_timeout(limit)
        .runtime(Runtime::Tokio1)
        .build()
}

/// Registers the parts of the service that use the database. It needs no connection.
fn assemble(handle: &Handle<Own>, config: Config, database: Pool) -> Result<Router, SetupError> {
    let check = Check::degrade("database", ping(config));
    // A failure is visible within 8 s; with the defaults of 10 s and 2 s it takes up to 35 s.
    let check = check.every(Duration::from_secs(2));
    handle.check(check.within(Duration::from_secs(1)).required_at_start())?;

    let (sender, popular) = watch::channel(String::new());
    let (sender, source) = (Arc::new(sender), database.clone());
    let worker = handle.worker("popular", move |shutdown| {
        refresh(source.clone(), Arc::clone(&sender), shutdown)
    });
    worker.gates_readiness();

    let closing = database.clone();
    handle.on_shutdown("database", async move {
        let connections = closing.status().size;
        closing.close();
        tracing::info!(connections, "database_pool_closed");
    });

    Ok(Router::new()
        .route("/visits/{guest}", post(visit))
        .route("/visits", get(visits))
        .with_state(database)
        .route("/popular", get(most_popular))
        .with_state(popular))
}

/// Returns the health check of the database.
///
/// It has a connection that no request uses, so a busy pool does not look like a failed database. A
/// failed run closes that connection: after a network failure, it may never answer again.
fn ping(config: Config) -> impl Fn() -> CheckFuture + Send + Sync {
    let kept = Arc::new(Mutex::new(None));
    move || {
        let (config, kept) = (config.clone(), Arc::clone(&kept));
        Box::pin(async move {
            let mut kept = kept.lock().await;
            let client = match kept.take().filter(|client: &Client| !client.is_closed()) {
                Some(client) => client,
                None => connect(&config).await?,
            };
            client.batch_execute("SELECT 1").await?;
            *kept = Some(client);
            Ok(())
        })
    }
}

/// Opens a connection. A task drives it until the client is dropped or the connection is lost.
async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    // If it fails, so does the next run of the check, which reports the error.
    tokio::spawn(connection);
    Ok(client)
}

/// Keeps the list of `GET /popular` current until the shutdown.
async fn refresh(database: Pool, list: Arc<watch::Sender<String>>, shutdown: ShutdownToken) {
    while let Some(read) = shutdown.run_until(next_list(&database)).await {
        match read {
            Ok(text) => drop(list.send_replace(text)),
            // The health check reports the outage once; this would be a record every second.
            Err(error) => {
                tracing::debug!(error = &error as &dyn Error, "popular_not_refreshed");
            }
        }
    }
}

/// Waits for a second, and reads the guests with the most visits.
async fn next_list(database: &Pool) -> Result<String, PoolError> {
    const QUERY: &str = "SELECT guest, count(*) FROM visits \
        GROUP BY guest ORDER BY count(*) DESC, guest LIMIT 3";
    sleep(Duration::from_secs(1)).await;
    let rows = database.get().await?.query(QUERY, &[]).await?;
    let mut list = String::new();
    for row in rows {
        let (guest, count): (&str, i64) = (row.get(0), row.get(1));
        writeln!(list, "{guest} {count}").expect("a string accepts all text");
    }
    Ok(list)
}

async fn visit(
    State(database): State<Pool>,
    Path(guest): Path<String>,
) -> Result<StatusCode, Unavailable> {
    const INSERT: &str = "INSERT INTO visits (guest) VALUES ($1)";
    database.get().await?.execute(INSERT, &[&guest]).await?;
    Ok(StatusCode::CREATED)
}

async fn visits(State(database): State<Pool>) -> Result<String, Unavailable> {
    const COUNT: &str = "SELECT count(*) FROM visits";
    let row = database.get().await?.query_one(COUNT, &[]).await?;
    Ok(format!("{}\n", row.get::<_, i64>(0)))
}

async fn most_popular(State(popular): State<watch::Receiver<String>>) -> String {
    popular.borrow().clone()
}

/// The database did not answer.
struct Unavailable(PoolError);

impl<E: Into<PoolError>> From<E> for Unavailable {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        tracing::error!(error = &self.0 as &dyn Error, "database_failed");
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }
}

#[cfg(test)]
mod tests {
    use plimsoll::testing::{Dependency, TestService};

    use super::*;

    /// The service before its first connection. Nothing listens at the address.
    async fn without_database(handle: Handle<Own>) -> Result<Router, SetupError> {
        let config: Config = handle.settings().database_url.expose().parse()?;
        assemble(&handle, config.clone(), pool(config)?)
    }

    #[tokio::test]
    async fn outage_of_the_database_keeps_the_service_ready() {
        let database = Dependency::up();
        let app = App::with_settings(build_info!()).setup(without_database);
        let app = app.fake("database", &database);
        let settings = [("DATABASE_URL", "host=127.0.0.1 port=1 user=test")];
        let test = TestService::start(app, &settings).await;

        database.fails("the server closed the connection");
        test.run_checks().await;

        assert_eq!(test.records_with("check_changed")[1]["state"], "down");
        assert_eq!(test.get("/ready").await.status(), 200);
        assert_eq!(test.get("/visits").await.status(), 503);
        assert_eq!(test.get("/popular").await.status(), 200);
        assert_eq!(test.shutdown().await.requests_cut_off, 0);
    }
}
