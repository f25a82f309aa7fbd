//! gRPC and more, moved in.

mod app;

use axum::Router;
use plimsoll::{App, Exit, Handle, SetupError, build_info};

fn main() -> Exit {
    App::new(build_info!()).setup(set_up).run()
}

async fn set_up(_: Handle) -> Result<Router, SetupError> {
    Ok(app::router().await)
}
