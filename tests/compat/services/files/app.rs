//! A page with its files: those below `/assets`, and all else is the page's.

use std::path::PathBuf;

use axum::{Router, routing::get};
use tower_http::services::{ServeDir, ServeFile};

pub fn router() -> Router {
    let folder = PathBuf::from(std::env::var_os("PUBLIC").unwrap_or("public".into()));
    let page = ServeFile::new(folder.join("index.html"));
    let assets = ServeDir::new(folder.join("assets")).precompressed_gzip();
    Router::new()
        .route("/api/greeting", get(|| async { "hello\n" }))
        .nest_service("/assets", assets)
        .fallback_service(ServeDir::new(folder).fallback(page))
}
