//! Faults with a socket of the service manager, which the service gets from this process.
//!
//! The service accepts its connections itself, so they do not pass the proxy.

use std::{
    fs,
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixListener},
    process,
};

use tokio::process::Command;

use crate::environment::variable;

/// Runs the words after the script with the sockets of the shell.
const SCRIPT: &str = r#"export LISTEN_PID=$$; exec "$@""#;

/// The socket, for a fault that needs it.
#[derive(Debug)]
pub(crate) struct Passed {
    fault: String,
    socket: OwnedFd,
}

/// Whether this process has a socket of the service manager.
pub(crate) fn is_activated() -> bool {
    variable("LISTEN_PID").is_some_and(|pid| pid == process::id().to_string())
}

/// Whether clients connect to the service itself.
pub(crate) fn is_direct(fault: &str) -> bool {
    is_activated() && !["LIFE-8:served", "LIFE-8:port"].contains(&fault)
}

/// Returns the command that runs the service.
pub(crate) fn command(fault: &str, program: &str) -> Command {
    // With the id of this process, the service ignores the socket.
    if !is_activated() || fault == "LIFE-8:served" {
        return Command::new(program);
    }
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh", program]);
    command
}

/// Takes the socket for a fault. The service inherits its descriptor nevertheless.
pub(crate) fn take(fault: &str) -> Option<Passed> {
    if !is_activated() || !["LIFE-8:restart", "LIFE-8:file"].contains(&fault) {
        return None;
    }
    let sockets = sd_listen_fds::get().expect("the variables are valid");
    let (_, socket) = sockets.into_iter().next()?;
    Some(Passed {
        fault: fault.to_owned(),
        socket: socket.into_std(),
    })
}

impl Passed {
    /// Does the damage after the end of the service.
    pub(crate) async fn finish(self) {
        match self.fault.as_str() {
            "LIFE-8:restart" => self.reset_connection().await,
            _ => self.remove_file(),
        }
    }

    /// Accepts a connection and closes it, instead of leaving it to the next process.
    async fn reset_connection(self) {
        let listener = TcpListener::from(self.socket);
        // A unix socket has no such address.
        if listener.local_addr().is_err() {
            return;
        }
        listener.set_nonblocking(true).expect("it is a socket");
        let listener = tokio::net::TcpListener::from_std(listener);
        let accepted = listener.expect("it is non-blocking").accept().await;
        drop(accepted.expect("a client connects"));
    }

    /// Removes the file of a unix socket.
    fn remove_file(self) {
        let listener = UnixListener::from(self.socket);
        let address = listener.local_addr().ok();
        if let Some(path) = address.as_ref().and_then(|address| address.as_pathname()) {
            fs::remove_file(path).expect("the service manager has created it");
        }
    }
}
