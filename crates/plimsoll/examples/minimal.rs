//! The smallest service: one route, and everything that the chassis adds to it.
//!
//! ```text
//! cargo run -p plimsoll --example minimal
//! curl http://localhost:8080/hello
//! curl http://localhost:8080/metrics
//! ```

use axum::{Router, routing::get};
use plimsoll::{App, Exit, build_info};

fn main() -> Exit {
    let router = Router::new().route("/hello", get(|| async { "hello\n" }));
    App::new(build_info!()).router(router).run()
}
