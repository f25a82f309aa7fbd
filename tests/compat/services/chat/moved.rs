//! The chat, moved in.

mod app;

use plimsoll::{App, Exit, build_info};

fn main() -> Exit {
    App::new(build_info!()).router(app::router()).run()
}
