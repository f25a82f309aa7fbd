//! Starts the peers in turn, loads them, and reports the cost of a request.
//!
//! A figure is reported only if its measurement had no failure: no refused connection, no status but
//! 200, no more answers counted than asked for, no more CPU than one core has.

mod build;
mod client;
mod contest;
mod cpu;
mod delays;
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

/// The reason why a run stops. Every failure stops the run.
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
