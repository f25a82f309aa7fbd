//! Uploads of forms with files, up to 8 MB, and a small route with axum's default limit.

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Multipart, multipart::MultipartError},
    routing::{get, post},
};
use tower_http::limit::RequestBodyLimitLayer;

const LIMIT: usize = 8_000_000;

pub fn router() -> Router {
    let large = Router::new()
        .route("/upload", post(upload))
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(LIMIT));
    let raised = Router::new()
        .route("/raised", post(length))
        .layer(DefaultBodyLimit::max(LIMIT));
    Router::new()
        .route("/", get(|| async { "uploads\n" }))
        .route("/small", post(length))
        .merge(raised)
        .merge(large)
}

async fn length(body: Bytes) -> String {
    format!("{}\n", body.len())
}

async fn upload(mut form: Multipart) -> Result<String, MultipartError> {
    let mut answer = String::new();
    while let Some(mut field) = form.next_field().await? {
        let name = field.name().unwrap_or("-").to_owned();
        let file = field.file_name().unwrap_or("-").to_owned();
        let (mut length, mut sum) = (0, 0_u64);
        while let Some(chunk) = field.chunk().await? {
            length += chunk.len();
            sum += chunk.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        }
        answer.push_str(&format!("{name} {file} {length} {sum}\n"));
    }
    Ok(answer)
}
