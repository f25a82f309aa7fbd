//! Notes in Postgres behind JSON, with CORS for a page of another origin.

use std::error::Error;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use deadpool_postgres::{Manager, Pool, PoolError};
use serde::{Deserialize, Serialize};
use tokio_postgres::{NoTls, Row};
use tower_http::cors::CorsLayer;

/// Connects to the database and makes its table.
pub async fn pool() -> Result<Pool, Box<dyn Error + Send + Sync>> {
    let url = std::env::var("DATABASE_URL")?;
    let manager = Manager::new(url.parse()?, NoTls);
    let pool = Pool::builder(manager).max_size(8).build()?;
    let schema = "CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, text text NOT NULL)";
    pool.get().await?.batch_execute(schema).await?;
    Ok(pool)
}

pub fn router(pool: Pool) -> Router {
    Router::new()
        .route("/notes", get(list).post(create))
        .route("/notes/{id}", get(read).put(update).delete(remove))
        .layer(CorsLayer::permissive())
        .with_state(pool)
}

#[derive(Serialize)]
struct Note {
    id: i32,
    text: String,
}

impl From<Row> for Note {
    fn from(row: Row) -> Self {
        Self {
            id: row.get("id"),
            text: row.get("text"),
        }
    }
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

/// A failed request.
enum Failure {
    NotFound,
    Database(Box<dyn Error>),
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Self::Database(error.into())
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "no such note\n").into_response(),
            Self::Database(error) => {
                tracing::error!(error, "database");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

async fn list(State(pool): State<Pool>) -> Result<Json<Vec<Note>>, Failure> {
    let client = pool.get().await?;
    let rows = client
        .query("SELECT id, text FROM notes ORDER BY id LIMIT 20", &[])
        .await?;
    Ok(Json(rows.into_iter().map(Note::from).collect()))
}

async fn create(
    State(pool): State<Pool>,
    Json(Text { text }): Json<Text>,
) -> Result<(StatusCode, Json<Note>), Failure> {
    let client = pool.get().await?;
    let row = client
        .query_one(
            "INSERT INTO notes (text) VALUES ($1) RETURNING id, text",
            &[&text],
        )
        .await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

async fn read(State(pool): State<Pool>, Path(id): Path<i32>) -> Result<Json<Note>, Failure> {
    let client = pool.get().await?;
    let row = client
        .query_opt("SELECT id, text FROM notes WHERE id = $1", &[&id])
        .await?;
    row.map(|row| Json(row.into())).ok_or(Failure::NotFound)
}

async fn update(
    State(pool): State<Pool>,
    Path(id): Path<i32>,
    Json(Text { text }): Json<Text>,
) -> Result<Json<Note>, Failure> {
    let client = pool.get().await?;
    let row = client
        .query_opt(
            "UPDATE notes SET text = $2 WHERE id = $1 RETURNING id, text",
            &[&id, &text],
        )
        .await?;
    row.map(|row| Json(row.into())).ok_or(Failure::NotFound)
}

async fn remove(State(pool): State<Pool>, Path(id): Path<i32>) -> Result<StatusCode, Failure> {
    let client = pool.get().await?;
    match client
        .execute("DELETE FROM notes WHERE id = $1", &[&id])
        .await?
    {
        0 => Err(Failure::NotFound),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}
