//! Starts the process of a child.
//!
//! The process gets a group of its own, no standard input, and pipes for its output.
//! It begins as `exec-child` (`exec.rs`), which becomes the command.

use std::{
    ffi::{OsStr, OsString},
    io::{self, PipeReader},
    path::PathBuf,
    process::Stdio,
};

use tokio::process::{Child, Command};

use super::{exec, reader::pipe, service::Variable};

/// A process with its pipes.
#[derive(Debug)]
pub(super) struct Spawned {
    pub(super) child: Child,
    pub(super) pid: u32,
    pub(super) stdout: PipeReader,
    pub(super) stderr: PipeReader,
}

/// Starts a command. It must be called on the main thread, whose end kills the process.
pub(super) fn spawn(command: &[OsString], variables: &[Variable]) -> io::Result<Spawned> {
    let (stdout, stdout_writer) = pipe()?;
    let (stderr, stderr_writer) = pipe()?;
    let mut process = Command::new(own_program()?);
    process
        .arg(exec::NAME)
        .arg(std::process::id().to_string())
        .args(command)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(stdout_writer)
        .stderr(stderr_writer);
    for variable in variables {
        process.env(variable.name, &variable.value);
    }
    let child = process.spawn()?;
    // The writers of the pipes are in it, and a reader ends when the last writer has ended.
    drop(process);
    let pid = child.id();
    let pid = pid.ok_or_else(|| io::Error::other("the process has no id"))?;
    Ok(Spawned {
        child,
        pid,
        stdout,
        stderr,
    })
}

/// Returns the program of this process.
pub(super) fn own_program() -> io::Result<PathBuf> {
    // It is still that program after its file was replaced, such as by `cargo install`.
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() {
        return Ok(link);
    }
    std::env::current_exe()
}

/// Returns the words that run a command line in a shell.
pub(crate) fn shell(line: &OsStr) -> Vec<OsString> {
    ["sh".into(), "-c".into(), line.to_owned()].into()
}
