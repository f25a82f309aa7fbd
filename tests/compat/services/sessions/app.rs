//! Sessions in a cookie, kept in memory, and a middleware that redirects.

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, session::Error};

pub fn router() -> Router {
    let sessions = SessionManagerLayer::new(MemoryStore::default()).with_secure(false);
    Router::new()
        .route("/visits", get(visits))
        .route("/forget", post(forget))
        .layer(middleware::from_fn(touch))
        .layer(sessions)
        .layer(middleware::from_fn(moved))
}

async fn visits(session: Session) -> Result<String, Failure> {
    let visits = session.get::<u32>("visits").await?.unwrap_or(0) + 1;
    session.insert("visits", visits).await?;
    Ok(format!("{visits}\n"))
}

async fn forget(session: Session) -> Result<&'static str, Failure> {
    session.flush().await?;
    Ok("forgotten\n")
}

/// Every answer begins a session, whether a route was found or not.
async fn touch(session: Session, request: Request, next: Next) -> Result<Response, Failure> {
    session
        .insert("last", request.uri().path().to_owned())
        .await?;
    Ok(next.run(request).await)
}

/// Redirects what has another address now; no route is there.
async fn moved(request: Request, next: Next) -> Response {
    match request.uri().path() {
        "/old" => Redirect::permanent("/visits").into_response(),
        _ => next.run(request).await,
    }
}

struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        tracing::error!(error = &self.0 as &dyn std::error::Error, "session");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
