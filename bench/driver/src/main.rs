//! Starts the peers in turn, loads them, and tells what each request cost.
//!
//! A figure is told only if nothing failed on the way to it: no refused connection, no status but
//! 200, no access record too few or too many, no more CPU than one core has.

mod build;
mod client;
mod cpu;
mod keepalive;
mod load;
mod machine;
mod options;
mod peer;
mod plot;
mod records;
mod results;
mod server;
mod stats;
mod table;

use std::process::ExitCode;

use options::{Mode, Options};

/// Whatever stops a run is told in a sentence; nothing here is handled but by giving up.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nFAILED: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let options = Options::from_arguments(std::env::args().skip(1))?;
    let peers = options.peers()?;
    build::build(&peers)?;
    if options.mode == Mode::Build {
        return Ok(());
    }
    // The servers get the other core: whatever is done here is at the load generator's expense.
    cpu::pin_this_process(options.load_core)?;
    match options.mode {
        Mode::Build => Ok(()),
        Mode::Keepalive => keepalive::run(&options, &peers),
    }
}
