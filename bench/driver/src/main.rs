//! Starts the peers in turn, loads them, and tells what each request cost.
//!
//! A figure is told only if nothing failed on the way to it: no refused connection, no status but
//! 200, no more answers counted than asked for, no more CPU than one core has.

mod build;
mod client;
mod contest;
mod cpu;
mod load;
mod machine;
mod measure;
mod modes;
mod options;
mod peer;
mod plot;
mod records;
mod results;
mod server;
mod stats;
mod table;

use std::process::ExitCode;

use options::Options;

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
    let Some(options) = Options::from_arguments(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    modes::build(&options.modes, &options)?;
    if options.only_build {
        return Ok(());
    }
    // The servers get the other core: whatever is done here is at the load generator's expense.
    cpu::pin_this_thread(options.load_core)?;
    options
        .modes
        .iter()
        .try_for_each(|&mode| modes::run(mode, &options))
}
