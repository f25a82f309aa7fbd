//! `plimsoll console` with real services, its API and its stream.

mod children;
mod command;
mod guard;
mod rows;
mod spans;
mod stream;

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use harness::{Connection, Process, ReservedPort, Response, Signal, eventually};
use serde_json::Value;

use crate::support::argument;

/// A free port.
const ANY: &str = "127.0.0.1:0";

/// A console with its children.
pub(crate) struct Console {
    pub(crate) process: Process,
    pub(crate) addr: SocketAddr,
    pub(crate) token: String,
}

impl Console {
    /// Starts a console on a free port, and waits until its page answers.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let fixed = ["console", "--listen", ANY, "--otlp", ANY];
        let arguments: Vec<&str> = fixed.iter().chain(arguments).copied().collect();
        let process = Process::spawn_with(env!("CARGO_BIN_EXE_plimsoll"), &arguments, &[]);
        let (addr, token) = eventually("the address is printed", || {
            let text = process.stderr();
            let (_, url) = text.split_once("http://")?;
            let (addr, token) = url.lines().next()?.split_once("/#token=")?;
            // The line is complete with the next one.
            text.contains("scripts")
                .then(|| (addr.to_owned(), token.to_owned()))
        });
        Self {
            process,
            addr: addr.parse().expect("it is an address"),
            token,
        }
    }

    /// Starts a console with the fixture as its child, and waits until that is ready.
    #[track_caller]
    pub(crate) fn with_fixture(options: &[&str]) -> Self {
        let fixture = harness::example("fixture");
        let arguments = [options, &["--", argument(&fixture)]].concat();
        let console = Self::start(&arguments);
        console.wait_for("fixture", |service| service["state"] == "ready");
        console
    }

    /// Sends a request with the token.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str) -> Response {
        self.send_with(
            method,
            path,
            &format!("Authorization: Bearer {}\r\n", self.token),
        )
    }

    /// Sends a request with these headers.
    #[track_caller]
    pub(crate) fn send_with(&self, method: &str, path: &str, headers: &str) -> Response {
        let mut connection = self.connect();
        let length = match method {
            "POST" => "Content-Length: 0\r\n",
            _ => "",
        };
        connection.send(harness::request(
            method,
            path,
            &format!("{length}{headers}"),
        ));
        connection.read()
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Connection {
        Connection::tcp(self.addr).expect("the page listens")
    }

    /// Opens a connection for bytes that are read one by one.
    #[track_caller]
    pub(crate) fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(self.addr).expect("the page listens");
        let limit = socket.set_read_timeout(Some(Duration::from_secs(10)));
        limit.expect("the limit is valid");
        socket
    }

    /// Returns the JSON of a path.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let response = self.send("GET", path);
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.json()
    }

    /// Waits until a service is as required, and returns it.
    #[track_caller]
    pub(crate) fn wait_for(&self, name: &str, mut is: impl FnMut(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = harness::eventually_within(Duration::from_secs(20), || {
            last = self.service(name);
            is(&last).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("{name} is {last:#}"))
    }

    /// Returns a service.
    #[track_caller]
    pub(crate) fn service(&self, name: &str) -> Value {
        let state = self.get("/api/state");
        let mut services = state["services"].as_array().expect("a list").iter();
        let service = services.find(|service| service["name"] == name);
        service.expect("the service is listed").clone()
    }

    /// Ends the console as Ctrl-C does.
    pub(crate) fn interrupt(self) -> harness::ExitedProcess {
        self.process.signal(Signal::Int);
        self.process.wait(Duration::from_secs(30))
    }
}

/// Returns an option that starts the fixture on a port of its own.
fn fixture_on(name: &str, port: &ReservedPort) -> String {
    let fixture = harness::example("fixture");
    let port = port.number();
    format!("--run={name}=PORT={port} exec {}", argument(&fixture))
}

/// Sends requests over one connection, many at a time. Returns how many were answered.
#[track_caller]
fn load(addr: SocketAddr, target: &str, count: usize) -> usize {
    const PIPELINE: usize = 20;
    let mut connection = Connection::tcp(addr).expect("the service listens");
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut answered = 0;
    while answered < count {
        let next = PIPELINE.min(count - answered);
        connection.send(request.repeat(next));
        for _ in 0..next {
            connection.read();
            answered += 1;
        }
    }
    answered
}

/// Whether a process exists and has not ended.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// Returns the id of the process of a service.
#[track_caller]
fn pid(service: &Value) -> u32 {
    let pid = service["pid"].as_u64().expect("the service runs");
    u32::try_from(pid).expect("it is the id of a process")
}
