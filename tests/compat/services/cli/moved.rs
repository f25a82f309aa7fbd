//! A program with commands, moved in.

mod app;

use std::process::{ExitCode, Termination as _};

use app::{Cli, Command, Tracker};
use clap::Parser as _;
use plimsoll::{App, Exit, build_info, config::Environment};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Start { port } => return start(port).report(),
        Command::Joke => app::print_joke(),
    }
    ExitCode::SUCCESS
}

fn start(port: u16) -> Exit {
    let port = ("PORT".into(), port.to_string().into());
    App::new(build_info!())
        .router(app::router())
        .environment(Environment::from_pairs(std::env::vars_os().chain([port])))
        .tracing_layer(Tracker)
        .arguments(&[])
        .run()
}
