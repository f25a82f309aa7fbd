//! Standard output and standard error.
//!
//! Standard output has the result of a command and nothing else, so that it can be piped.
//! Escape sequences are removed when the output is no terminal.

use std::io::{self, ErrorKind, Write as _};

use anstream::ColorChoice;

use crate::{
    cli::Color,
    exit::{Exit, Failure},
};

/// Sets when the output has colours.
pub(crate) fn set_color(color: Color) {
    let choice = match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    choice.write_global();
}

/// Writes a result to standard output.
///
/// # Errors
///
/// [`Failure::Output`], unless the reader has closed the pipe, such as `head`.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// Writes an error and its causes to standard error.
pub(crate) fn report(failure: &Failure) {
    let mut text = format!("plimsoll: {failure}");
    let mut error: &dyn std::error::Error = failure;
    while let Some(source) = error.source() {
        text.push_str(&format!(": {source}"));
        error = source;
    }
    text.push('\n');
    // If standard error is closed, no stream remains for the report; the exit status has the result.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes the help or a usage error of clap. Returns the exit status for it.
pub(crate) fn usage(error: &clap::Error) -> Exit {
    // As in `report`.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Success
    }
}
