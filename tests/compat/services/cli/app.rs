//! A program with commands of its own, and with a layer for `tracing` that counts errors as an error
//! tracker would.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::{Router, http::StatusCode, routing::get};
use clap::{Parser, Subcommand};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Jokes over HTTP.
#[derive(Parser)]
#[command(name = "jokes", bin_name = "jokes")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serves until it is stopped.
    Start {
        #[arg(long, default_value_t = 8888)]
        port: u16,
    },
    /// Prints a joke.
    Joke,
}

const JOKE: &str = "knock knock";

pub fn print_joke() {
    println!("{JOKE}");
}

pub fn router() -> Router {
    Router::new()
        .route("/", get(|| async { JOKE }))
        .route("/fail", get(fail))
        .route("/errors", get(errors))
}

async fn fail() -> StatusCode {
    tracing::error!("the joke failed");
    StatusCode::CONFLICT
}

async fn errors() -> String {
    format!("{}\n", ERRORS.load(Ordering::Relaxed))
}

static ERRORS: AtomicU64 = AtomicU64::new(0);

/// Counts events of level ERROR.
pub struct Tracker;

impl<S: Subscriber> Layer<S> for Tracker {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::ERROR {
            ERRORS.fetch_add(1, Ordering::Relaxed);
        }
    }
}
