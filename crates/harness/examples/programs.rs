//! Valid and invalid uses of `App::run` that the fixture does not cover.
//!
//! The contract's tests select a program by its first argument.
//!
//! ```text
//! PORT=8081 cargo run -p harness --example programs -- inside_runtime
//! ```

use std::sync::atomic::{AtomicU32, Ordering};

use axum::{Router, routing::get};
use plimsoll::{App, Exit, Handle, SetupError, build_info};
use tokio::runtime::Runtime;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    Layer, filter::LevelFilter, layer::Context, util::SubscriberInitExt as _,
};

fn main() -> Exit {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["inside_runtime"] => inside_runtime(),
        ["two_setups"] => two_setups(),
        ["not_ready"] => not_ready(),
        ["foreign_subscriber"] => foreign_subscriber(),
        ["foreign_logger"] => foreign_logger(),
        ["layers"] => layers(),
        ["defaults", rest @ ..] => defaults(rest),
        ["bad_defaults"] => bad_defaults(),
        ["own_command_line", rest @ ..] => own_command_line(rest),
        other => panic!("there is no program {other:?}"),
    }
}

/// A program with its own subcommands.
fn own_command_line(arguments: &[&str]) -> Exit {
    let service = App::new(build_info!()).router(hello());
    match arguments {
        ["start", "--fast"] => service.arguments(&[]).run(),
        ["check"] => service.arguments(&["--check-config"]).run(),
        ["health"] => service.arguments(&["healthcheck"]).run(),
        other => service.arguments(other).run(),
    }
}

/// The expansion of `#[tokio::main]` on a `main` that calls `run`.
fn inside_runtime() -> Exit {
    let runtime = Runtime::new().expect("the system has threads");
    runtime.block_on(async {
        let service = App::new(build_info!()).router(hello());
        service.arguments(&[]).run()
    })
}

fn two_setups() -> Exit {
    App::new(build_info!())
        .setup(set_up)
        .setup(set_up)
        .arguments(&[])
        .run()
}

/// A program that is not ready when it starts.
fn not_ready() -> Exit {
    let set_up = |handle: Handle| async move {
        handle.readiness().set(false, "the cache is cold");
        Ok::<_, SetupError>(hello())
    };
    App::new(build_info!()).setup(set_up).arguments(&[]).run()
}

/// A program that installs a subscriber of its own.
fn foreign_subscriber() -> Exit {
    tracing_subscriber::registry().init();
    let service = App::new(build_info!()).router(hello());
    service.arguments(&[]).run()
}

/// A program that installs a `log` logger of its own.
fn foreign_logger() -> Exit {
    struct DiscardLogger;
    impl log::Log for DiscardLogger {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            false
        }
        fn log(&self, _: &log::Record<'_>) {}
        fn flush(&self) {}
    }
    log::set_logger(&DiscardLogger).expect("there is no logger yet");
    let service = App::new(build_info!()).router(hello());
    service.arguments(&[]).run()
}

/// Tracing layers of several types, and a route that returns the number of events of each.
fn layers() -> Exit {
    App::new(build_info!())
        .tracing_layer(Count(&ALL))
        .tracing_layer(Count(&ERRORS).with_filter(LevelFilter::ERROR))
        .tracing_layer(None::<Count>)
        .router(hello().route("/events", get(events)))
        .arguments(&[])
        .run()
}

static ALL: AtomicU32 = AtomicU32::new(0);
static ERRORS: AtomicU32 = AtomicU32::new(0);

/// Counts the events of this program.
struct Count(&'static AtomicU32);

impl<S: Subscriber> Layer<S> for Count {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "programs" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn events() -> String {
    tracing::trace!("an_event");
    tracing::info!("an_event");
    tracing::error!("an_event");
    let (all, errors) = (&ALL, &ERRORS);
    format!(
        "{} {}\n",
        all.load(Ordering::Relaxed),
        errors.load(Ordering::Relaxed)
    )
}

/// Changed defaults of settings, also of a required one.
fn defaults(arguments: &[&str]) -> Exit {
    App::new(build_info!())
        .router(hello())
        .default_setting("SERVICE_NAME", "old-name")
        .default_setting("REQUEST_TIMEOUT", "60s")
        .default_setting("IDLE_TIMEOUT", "75s")
        .default_setting("IDLE_TIMEOUT", "61s")
        .arguments(arguments)
        .run()
}

fn bad_defaults() -> Exit {
    App::new(build_info!())
        .default_setting("PROT", "8888")
        .default_setting("READ_TIMEOUT", "soon")
        .arguments(&[])
        .run()
}

fn hello() -> Router {
    Router::new().route("/hello", get(|| async { "hello\n" }))
}

async fn set_up(_: Handle) -> Result<Router, SetupError> {
    Ok(hello())
}
