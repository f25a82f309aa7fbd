//! Sessions, moved in.

mod app;

use plimsoll::{Exit, Service, build_info};

fn main() -> Exit {
    Service::new(build_info!()).router(app::router()).run()
}
