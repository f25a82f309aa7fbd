//! A Redis server on a reserved port and a unix socket, without files.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use harness::{Signal, eventually};

use crate::setup::{Reserved, scratch_folder};
use crate::support::require_or_skip;

pub(crate) struct Server {
    reserved: Reserved,
    folder: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Starts a server, or returns `None` if Redis is not installed.
    #[track_caller]
    pub(crate) fn started(name: &str) -> Option<Self> {
        let mut server = Self::prepared(name)?;
        server.start();
        Some(server)
    }

    /// Creates a server that does not run yet, or `None` if Redis is not installed.
    #[track_caller]
    pub(crate) fn prepared(name: &str) -> Option<Self> {
        require_or_skip("redis-server").then(|| Self {
            reserved: Reserved::port(),
            // The path of a unix socket is limited, so it is not in the folder of the build.
            folder: scratch_folder(&format!("redis-{name}")),
            child: None,
        })
    }

    /// Starts the server and waits until it accepts connections.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        let port = self.addr().port().to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port]);
        command.args(["--save", "", "--appendonly", "no"]);
        command.arg("--unixsocket").arg("socket");
        command.current_dir(&self.folder);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        eventually("Redis accepts connections", || {
            std::net::TcpStream::connect(self.addr()).ok()
        });
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal.send(self.child.as_ref().unwrap().id());
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.reserved.addr()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        // Remaining files are in the folder of the build.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
