//! The hidden command `exec-child`: prepares a child process, then replaces itself by the command.
//!
//! Some properties of a process can be set only by the process itself, between `fork` and `exec`.
//! The standard library needs `unsafe` code for that, so a program of its own does it.
//! The console starts itself with these arguments: `exec-child PARENT PROGRAM [ARGUMENT…]`.
//!
//! On Linux the kernel kills the child when the console ends, even if it was killed itself.
//! The kernel observes the thread that started the child, so the console starts children on its main thread.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

/// The first argument.
pub(crate) const NAME: &str = "exec-child";

/// The exit status of shells for a program that does not exist.
const NOT_FOUND: u8 = 127;

/// The exit status of shells for a program that cannot be executed.
const NOT_EXECUTABLE: u8 = 126;

/// Replaces this process by the command in the arguments. Returns only if that fails.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let parent = arguments.next();
    let Some(program) = arguments.next() else {
        report(OsStr::new(NAME), &io::ErrorKind::InvalidInput.into());
        return ExitCode::from(NOT_EXECUTABLE);
    };
    if let Err(error) = die_with(parent.as_deref()) {
        report(&program, &error);
        return ExitCode::from(NOT_EXECUTABLE);
    }
    let error = Command::new(&program).args(arguments).exec();
    report(&program, &error);
    match error.kind() {
        io::ErrorKind::NotFound => ExitCode::from(NOT_FOUND),
        _ => ExitCode::from(NOT_EXECUTABLE),
    }
}

/// Makes the kernel kill this process when the console ends.
#[cfg(target_os = "linux")]
fn die_with(parent: Option<&OsStr>) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};

    set_parent_process_death_signal(Some(Signal::KILL))?;
    // If the console has ended before, there will be no signal.
    let current = getppid().map(|pid| pid.as_raw_nonzero().to_string());
    if current.as_deref().map(OsStr::new) != parent {
        return Err(io::Error::other("the console has ended"));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn die_with(_: Option<&OsStr>) -> io::Result<()> {
    Ok(())
}

/// Writes an error to standard error, which the console reads.
fn report(program: &OsStr, error: &io::Error) {
    let text = format!("plimsoll: cannot run {}: {error}\n", program.display());
    // If standard error is closed, the exit status remains.
    let _ = io::stderr().write_all(text.as_bytes());
}
