//! Programs that call `Service::run` in other ways than the fixture does, right ones and wrong ones.
//! The contract's tests run each of them by its name.
//!
//! ```text
//! PORT=8081 cargo run -p plimsoll --example programs -- inside_runtime
//! ```

use axum::{Router, routing::get};
use plimsoll::{Exit, Handle, Service, SetupError, build_info};
use tokio::runtime::Runtime;

fn main() -> Exit {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["inside_runtime"] => inside_runtime(),
        ["two_setups"] => two_setups(),
        ["own_command_line", rest @ ..] => own_command_line(rest),
        other => panic!("there is no program {other:?}"),
    }
}

/// A program whose sub-commands are its own.
fn own_command_line(arguments: &[&str]) -> Exit {
    let service = Service::new(build_info!()).router(hello());
    match arguments {
        ["start", "--fast"] => service.arguments(&[]).run(),
        ["check"] => service.arguments(&["--check-config"]).run(),
        ["health"] => service.arguments(&["healthcheck"]).run(),
        other => service.arguments(other).run(),
    }
}

/// What `#[tokio::main]` makes of a `main` that calls `run`.
fn inside_runtime() -> Exit {
    let runtime = Runtime::new().expect("the system has threads");
    runtime.block_on(async {
        let service = Service::new(build_info!()).router(hello());
        service.arguments(&[]).run()
    })
}

fn two_setups() -> Exit {
    Service::new(build_info!())
        .setup(set_up)
        .setup(set_up)
        .arguments(&[])
        .run()
}

fn hello() -> Router {
    Router::new().route("/hello", get(|| async { "hello\n" }))
}

async fn set_up(_: Handle) -> Result<Router, SetupError> {
    Ok(hello())
}
