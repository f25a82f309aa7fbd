//! A proxy in front of a server that can drop all bytes silently, like a firewall.
//!
//! A connection that has lost bytes stays silent after the firewall is lifted, as in a system that
//! has forgotten the connection. A connection that opens meanwhile is silent too.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A proxy from a TCP port to the unix socket of a server.
pub(crate) struct Firewall {
    addr: SocketAddr,
    drops: Arc<AtomicBool>,
}

impl Firewall {
    /// Starts the proxy. Its threads end with the test run.
    pub(crate) fn before(socket: PathBuf) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let drops = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&drops);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A client of a stopped server is closed.
                if let Ok(server) = UnixStream::connect(&socket) {
                    pass_on(client, server, &shared);
                }
            }
        });
        Self { addr, drops }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn set(&self, drops: bool) {
        self.drops.store(drops, Ordering::Relaxed);
    }
}

/// Copies in both directions, each on its own thread.
fn pass_on(client: TcpStream, server: UnixStream, drops: &Arc<AtomicBool>) {
    let is_silent = Arc::new(AtomicBool::new(false));
    let (client_in, server_in) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (drops, silent) = (Arc::clone(drops), Arc::clone(&is_silent));
    let shared = Arc::clone(&drops);
    thread::spawn(move || {
        copy(client_in, &server, &drops, &silent);
        // The other end may have closed it before.
        let _ = server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        copy(server_in, &client, &shared, &is_silent);
        // The other end may have closed it before.
        let _ = client.shutdown(Shutdown::Both);
    });
}

fn copy(mut from: impl Read, mut to: impl Write, drops: &AtomicBool, is_silent: &AtomicBool) {
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        if drops.load(Ordering::Relaxed) {
            is_silent.store(true, Ordering::Relaxed);
        }
        if !is_silent.load(Ordering::Relaxed) && to.write_all(&chunk[..read]).is_err() {
            return;
        }
    }
}
