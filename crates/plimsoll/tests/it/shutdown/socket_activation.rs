//! Listening sockets from a service manager, and restarts without a lost connection.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use harness::{Connection, ExitedProcess, Process, Signal, eventually, request};
use socket2::{Domain, Socket, Type};

use super::service_manager::connects;
use crate::in_flight::wait_for_in_flight;
use crate::support::{END, SERVICE, fixture, ms, require_or_skip, run, start};

// === Socket activation ===

/// A shell script that passes a socket to a program as a service manager does.
const ACTIVATION_SCRIPT: &str = r#"exec 3<&0 </dev/null; export LISTEN_PID=$$; exec "$0""#;

/// Runs the fixture with an inherited socket, through this shell script.
#[track_caller]
fn run_in_shell(socket: impl Into<OwnedFd>, script: &str, env: &[(&str, &str)]) -> Process {
    let fixture = fixture();
    let args = ["-c", script, fixture.to_str().unwrap()];
    let mut all = vec![("SERVICE_NAME", SERVICE), ("LISTEN_FDS", "1")];
    all.extend_from_slice(env);
    Process::spawn_with_input("/bin/sh", &args, &all, socket.into())
}

/// Runs the fixture with a listening socket.
#[track_caller]
fn activate(socket: &TcpListener, env: &[(&str, &str)]) -> Process {
    let service = run_in_shell(socket.try_clone().unwrap(), ACTIVATION_SCRIPT, env);
    service.wait_until_ready();
    service
}

/// Returns a listening socket like that of systemd, with a long queue.
fn listener() -> (TcpListener, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&addr.into()).unwrap();
    socket.listen(4096).unwrap();
    let listener = TcpListener::from(socket);
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// Sends a request on a new connection.
#[track_caller]
fn send_request(addr: SocketAddr) -> Connection {
    let mut connection = Connection::tcp(addr).unwrap();
    connection.send(request("GET", "/hello", ""));
    connection
}

fn ready_record(service: &Process) -> serde_json::Value {
    service.wait_for_record(|record| record["message"] == "infra_app_ready")
}

/// LIFE-8
#[test]
fn inherited_socket_is_the_main_listener() {
    let (socket, addr) = listener();
    // The socket listens before the service starts, and early connections wait.
    let mut early = send_request(addr);
    let service = activate(&socket, &[]);
    assert_eq!(early.read().text(), "hello\n");
    assert_ne!(service.addr(), addr);
    assert_eq!(ready_record(&service)["address"], addr.to_string());
    let refused = service.try_connect().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(service.terminate().code, Some(0));
}

/// LIFE-8
#[test]
fn connection_during_shutdown_is_served_by_the_next_process() {
    let (socket, addr) = listener();
    // Only the test uses this port; the service ignores it.
    let port = addr.port().to_string();
    let service = activate(&socket, &[("SHUTDOWN_TIMEOUT", "10s"), ("PORT", &port)]);
    let mut slow = Connection::tcp(addr).unwrap();
    slow.send(request("GET", "/slow?ms=1500", ""));
    wait_for_in_flight(&service, 1.0);
    service.signal(Signal::Term);
    service.wait_for_record(|record| record["message"] == "shutdown_started");
    // From here on no process accepts, and soon no process runs.
    let mut during = Vec::new();
    while service.is_alive() {
        during.push(send_request(addr));
        thread::sleep(ms(50));
    }
    assert_eq!(slow.read().text(), "slow\n");
    let ended = service.wait(END);
    assert_eq!(ended.code, Some(0));
    let mut after = send_request(addr);
    let service = activate(&socket, &[]);
    assert!(during.len() > 5, "{}", during.len());
    for waiting in &mut during {
        assert_eq!(waiting.read().text(), "hello\n");
    }
    assert_eq!(after.read().text(), "hello\n");
    assert_eq!(service.terminate().code, Some(0));
}

/// Load of new connections from several threads, until it is stopped.
struct Load {
    over: AtomicBool,
    answered: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Load {
    const THREADS: usize = 4;

    fn run(&self, addr: SocketAddr) {
        while !self.over.load(Ordering::Relaxed) {
            match Self::send_request(addr) {
                Ok(answer) if answer.ends_with("\r\n\r\nhello\n") => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                }
                other => self.failures.lock().unwrap().push(format!("{other:?}")),
            }
        }
    }

    fn send_request(addr: SocketAddr) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(END))?;
        stream.write_all(request("GET", "/hello", "").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Waits until this many more requests are answered.
    #[track_caller]
    fn wait_for(&self, more: usize) {
        let until = self.answered.load(Ordering::Relaxed) + more;
        eventually("connections are served", || {
            (self.answered.load(Ordering::Relaxed) >= until).then_some(())
        });
    }
}

/// LIFE-8
#[test]
fn restarts_under_load_refuse_and_reset_no_connection() {
    const RESTARTS: usize = 20;
    let (socket, addr) = listener();
    let load = Load {
        over: AtomicBool::new(false),
        answered: AtomicUsize::new(0),
        failures: Mutex::default(),
    };
    let mut reports = Vec::new();
    let last = thread::scope(|scope| {
        for _ in 0..Load::THREADS {
            scope.spawn(|| load.run(addr));
        }
        // Also after a failed check, since the threads would run forever.
        let _end = End(&load);
        for _ in 0..RESTARTS {
            let service = activate(&socket, &[]);
            load.wait_for(100);
            reports.push(service.terminate());
        }
        // Lives until the last request is answered.
        let last = activate(&socket, &[]);
        load.wait_for(1);
        last
    });
    let failures = load.failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} failed: {failures:?}",
        failures.len()
    );
    let handled = |ended: &ExitedProcess| ended.records_with("http_request").len();
    for ended in &reports {
        assert_eq!(ended.code, Some(0));
        assert!(handled(ended) >= 100);
    }
    assert_eq!(last.terminate().code, Some(0));
}

/// Ends the load.
struct End<'a>(&'a Load);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// LIFE-8
#[test]
fn file_of_an_inherited_unix_socket_is_kept() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("handed-over.sock");
    let _ = std::fs::remove_file(&path);
    let socket = UnixListener::bind(&path).unwrap();
    for _ in 0..2 {
        let service = run_in_shell(socket.try_clone().unwrap(), ACTIVATION_SCRIPT, &[]);
        service.wait_until_ready();
        let address = format!("unix:{}", path.display());
        assert_eq!(ready_record(&service)["address"], address.as_str());
        let mut connection = Connection::unix(&path).unwrap();
        connection.send(request("GET", "/client", ""));
        assert_eq!(connection.read().text(), "-");
        assert_eq!(service.terminate().code, Some(0));
        assert!(path.exists());
    }
    assert!(!path.with_extension("sock.lock").exists());
}

/// LIFE-8
#[test]
fn sockets_for_another_process_are_ignored() {
    let service = start(&[("LISTEN_PID", "1"), ("LISTEN_FDS", "1")]);
    assert_eq!(service.get("/hello").status, 200);
    let record = service.wait_for_record(|record| record["message"] == "sockets_ignored");
    assert_eq!(record["listenPid"], 1);
    let service = start(&[("LISTEN_FDS", "1")]);
    assert_eq!(service.get("/hello").status, 200);
}

/// LIFE-8
#[test]
fn descriptor_that_is_no_listener_is_a_start_error() {
    #[track_caller]
    fn check(ended: &ExitedProcess, expect: &[&str]) {
        assert_eq!(ended.code, Some(78), "{}", ended.stderr);
        let records = ended.records();
        let [record] = &records[..] else {
            panic!("{records:?}");
        };
        assert_eq!(record["message"], "config_invalid");
        let problems = record["problems"].to_string();
        for part in expect {
            assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
            let escaped = part.replace('"', "\\\"");
            assert!(problems.contains(&escaped), "{part}: {problems}");
        }
    }
    let right = "expected one stream socket that is listened on";

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let env = [("LISTEN_FDNAMES", "web"), ("PORT", "70000")];
    let ended = run_in_shell(udp, ACTIVATION_SCRIPT, &env).wait(END);
    check(
        &ended,
        &[
            "fd 3 (",
            "is a UDP socket at 127.0.0.1:",
            right,
            "a port from 1",
        ],
    );

    let two = r#"exec 3<&0 </dev/null; exec 4<&3; export LISTEN_PID=$$; exec "$0""#;
    let env = [("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "web:admin")];
    let (socket, _) = listener();
    let ended = run_in_shell(socket, two, &env).wait(END);
    check(
        &ended,
        &["fd 3 (", "fd 4 (", "is a TCP socket at 127.0.0.1:", right],
    );

    let none = r#"exec 3<&-; export LISTEN_PID=$$; exec "$0""#;
    let (socket, _) = listener();
    let ended = run_in_shell(socket, none, &[]).wait(END);
    check(&ended, &["fd 3 is not open", right]);

    let (socket, addr) = listener();
    let accepted = TcpStream::connect(addr).unwrap();
    let ended = run_in_shell(accepted, ACTIVATION_SCRIPT, &[]).wait(END);
    check(
        &ended,
        &["fd 3 is a TCP socket at 127.0.0.1:", "connected already"],
    );
    drop(socket);

    let ended = run(&[], &[("LISTEN_PID", "me"), ("LISTEN_FDS", "1")]);
    check(&ended, &["LISTEN_PID=\"me\""]);
}

/// LIFE-8
#[test]
fn systemd_starts_the_service_with_its_first_connection() {
    let program = "systemd-socket-activate";
    if !require_or_skip(program) {
        return;
    }
    let script = format!(r#"exec {program} -l "$HOST:$PORT" -E SERVICE_NAME "$0""#);
    let fixture = fixture();
    let args = ["-c", &script, fixture.to_str().unwrap()];
    let service = Process::spawn_with("/bin/sh", &args, &[("SERVICE_NAME", SERVICE)]);
    eventually("the port is listened on", || {
        connects(&service).then_some(())
    });
    assert_eq!(service.get("/hello").text(), "hello\n");
    let address = service.addr().to_string();
    assert_eq!(ready_record(&service)["address"], address.as_str());
    service.signal(Signal::Term);
    assert_eq!(service.wait(END).code, Some(0));
}
