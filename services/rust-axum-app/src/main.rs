//! The reference service: the chassis, a banner, and the build information.

use axum::{
    Router,
    body::Bytes,
    http::{HeaderValue, header},
    response::IntoResponse,
    routing::get,
};
use plimsoll::{App, BuildInfo, Exit, Handle, SetupError, build_info};

/// Replaces musl's allocator, which has one lock for all threads. The image is linked with musl.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn main() -> Exit {
    App::new(build_info!())
        .about("A small HTTP service whose business is to be operated well.")
        .setup(routes)
        .run()
}

/// Returns the two routes of the service. Both responses are built once, at the start.
async fn routes(handle: Handle) -> Result<Router, SetupError> {
    let build = &handle.config().build;
    // Not a `String`, which would be copied for each response.
    let banner = Bytes::from(format!("{} is running (Rust + Axum)\n", build.service()));
    let info = info(build)?;
    Ok(Router::new()
        .route("/", get(|| async move { typed(TEXT, banner.clone()) }))
        .route("/info", get(|| async move { typed(JSON, info.clone()) })))
}

/// Returns `{"service":…,"version":…,"buildTime":…}`, in that order and without spaces.
fn info(build: &BuildInfo) -> Result<Bytes, SetupError> {
    let [service, version, build_time] =
        [build.service(), build.version(), build.build_time()].map(serde_json::to_string);
    let (service, version, build_time) = (service?, version?, build_time?);
    let info = format!(r#"{{"service":{service},"version":{version},"buildTime":{build_time}}}"#);
    Ok(info.into())
}

fn typed(content_type: HeaderValue, body: Bytes) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, content_type)], body)
}
