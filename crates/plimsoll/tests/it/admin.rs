//! Operator controls on the admin listener.

mod changes;
mod clients;
mod connections;
mod drain;
mod in_process;
mod levels;
mod readiness;
mod requests;
mod views;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::{Connection, Process, Response, Scrape, eventually};

/// Returns a path for the socket of an admin listener.
fn socket() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("plimsoll-admin-{}-{count}.sock", std::process::id());
    std::env::temp_dir().join(name)
}

/// A fixture with an admin listener on a unix socket.
pub(crate) struct WithAdmin {
    pub(crate) service: Process,
    pub(crate) path: PathBuf,
}

impl WithAdmin {
    pub(crate) fn with(start: fn(&[(&str, &str)]) -> Process, env: &[(&str, &str)]) -> Self {
        let path = socket();
        let addr = format!("unix:{}", path.display());
        let mut env = env.to_vec();
        env.push(("ADMIN_ADDR", &addr));
        let service = start(&env);
        Self { service, path }
    }

    pub(crate) fn connect(&self) -> Connection {
        eventually("the admin listener takes a connection", || {
            Connection::unix(&self.path).ok()
        })
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.connect().get(path)
    }

    pub(crate) fn metrics(&self) -> Scrape {
        Scrape::parse(self.get("/metrics").text()).expect("metrics are well-formed")
    }
}

impl Drop for WithAdmin {
    fn drop(&mut self) {
        let mut lock = self.path.clone().into_os_string();
        lock.push(".lock");
        drop(std::fs::remove_file(lock));
    }
}

impl WithAdmin {
    /// Sends a request with a form. The client has the uid of the service.
    pub(crate) fn send(&self, method: &str, path: &str, form: &str) -> Response {
        let mut connection = self.connect();
        connection.send(control(method, path, "", form));
        connection.read()
    }
}

/// Returns a request to a control, with a form and these header lines.
pub(crate) fn control(method: &str, path: &str, headers: &str, form: &str) -> String {
    let length = form.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    )
}
