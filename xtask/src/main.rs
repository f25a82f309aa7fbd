//! The commands of this repository.
//!
//! ```text
//! cargo run -q -p xtask -- docs [--check]
//! cargo run -q -p xtask -- commits RANGE
//! cargo run -q -p xtask -- contract [--check]
//! cargo run -q -p xtask -- tidy [PATH…]
//! ```
//!
//! Each command prints its findings on standard error and fails if there is one.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command prints its results"
)]

mod commits;
mod contract;
#[cfg(feature = "docs")]
mod docs;
mod files;
mod lexer;
mod test_functions;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo run -q -p xtask -- COMMAND

  docs [--check]       write the documents that are generated from code, or compare them
  commits RANGE        check the messages of commits, such as those of main..HEAD
  contract [--check]   write docs/contract.md and docs/contract-tests.md, or compare them
  tidy [PATH…]         check files, prose and imports
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let findings = match arguments[..] {
        #[cfg(feature = "docs")]
        ["docs"] => docs::run(files::Mode::Write),
        #[cfg(feature = "docs")]
        ["docs", "--check"] => docs::run(files::Mode::Check),
        ["commits", range] => commits::run(range),
        ["contract"] => contract::run(files::Mode::Write),
        ["contract", "--check"] => contract::run(files::Mode::Check),
        ["tidy", ref rest @ ..] => tidy::run(rest),
        _ => vec![USAGE.to_owned()],
    };
    for finding in &findings {
        eprintln!("{finding}");
    }
    ExitCode::from(u8::from(!findings.is_empty()))
}
