//! T-TLS-01, T-TLS-03, T-TLS-05, T-TLS-07: handshakes that stall, dribble, or are none, and files
//! that change under them.

use std::fs;
use std::io::{self, Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use harness::{Connection, Process, Scrape, Signal, eventually, eventually_within, timed};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName},
};

use crate::support::{END, fixture, ms, request, start};

type Session = StreamOwned<ClientConnection, TcpStream>;

/// A certificate for `localhost` and its key.
struct Pair {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Pair {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            certificate: cert.pem(),
            key: signing_key.serialize_pem(),
            der: cert.der().clone(),
        }
    }
}

/// Trusts these and nobody else.
fn trust<'a>(pairs: impl IntoIterator<Item = &'a Pair>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for pair in pairs {
        roots.add(pair.der.clone()).unwrap();
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    // A session that is resumed shows no certificate.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(Arc::clone(config), name).unwrap()
}

fn shake_hands(addr: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Session> {
    let mut session = client(config);
    let mut socket = TcpStream::connect(addr)?;
    socket.set_read_timeout(Some(END))?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(session, socket))
}

/// Asks over a session, and gives all of the answer.
fn ask(mut session: Session, path: &str) -> io::Result<String> {
    session.write_all(request("GET", path, "").as_bytes())?;
    let mut answer = String::new();
    session.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The first flight of a client.
fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut bytes = Vec::new();
    client(config).write_tls(&mut bytes).unwrap();
    bytes
}

/// A folder as Kubernetes mounts a secret: `tls.crt` is a link into `..data`, which is a link to a
/// folder of its own for each version.
struct Secret {
    folder: PathBuf,
}

impl Secret {
    fn new(name: &str, pair: &Pair) -> Self {
        let name = format!("catalogue-{}-{name}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        let secret = Self { folder };
        secret.swap(0, pair);
        for file in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{file}"), secret.path(file)).unwrap();
        }
        secret
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Puts another version in the place of the present one, at one stroke.
    fn swap(&self, version: usize, pair: &Pair) {
        let data = format!("..version-{version}");
        fs::create_dir(self.path(&data)).unwrap();
        fs::write(self.path(&data).join("tls.crt"), &pair.certificate).unwrap();
        fs::write(self.path(&data).join("tls.key"), &pair.key).unwrap();
        symlink(&data, self.path("..data_tmp")).unwrap();
        fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
        if let Some(before) = version.checked_sub(1) {
            fs::remove_dir_all(self.path(&format!("..version-{before}"))).unwrap();
        }
    }

    /// Writes over the files that are there.
    fn write(&self, certificate: &str, key: &str) {
        fs::write(self.path("tls.crt"), certificate).unwrap();
        fs::write(self.path("tls.key"), key).unwrap();
    }

    /// A service with these files.
    fn service(&self, more: &[(&str, &str)]) -> Process {
        let (certificate, key) = (self.path("tls.crt"), self.path("tls.key"));
        let mut env = vec![
            ("TLS_CERT_FILE", certificate.to_str().unwrap()),
            ("TLS_KEY_FILE", key.to_str().unwrap()),
        ];
        env.extend(more);
        let service = Process::spawn(fixture(), &env);
        service.wait_for_record(|record| record["message"] == "infra_app_ready");
        service
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // What is left behind disturbs nobody.
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn metrics(service: &Process, config: &Arc<ClientConfig>) -> Scrape {
    let session = shake_hands(service.addr(), config).unwrap();
    let answer = ask(session, "/metrics").unwrap();
    let (_, text) = answer.split_once("\r\n\r\n").unwrap();
    Scrape::parse(text).unwrap()
}

fn failed_handshakes(service: &Process, config: &Arc<ClientConfig>) -> f64 {
    let kind = [("kind", "tls_handshake")];
    let metrics = metrics(service, config);
    metrics.value("http_protocol_errors_total", &kind).unwrap()
}

/// T-TLS-01, TLS-7
#[test]
fn handshakes_that_stall_keep_nobody_from_shaking_hands() {
    let pair = Pair::new();
    let secret = Secret::new("stall", &pair);
    let config = trust([&pair]);
    let service = secret.service(&[("READ_TIMEOUT", "3s"), ("WORKERS", "1")]);
    let mut silent: Vec<_> = (0..200).map(|_| service.connect()).collect();
    let hello = hello(&config);
    let mut half: Vec<_> = (0..50).map(|_| service.connect()).collect();
    for connection in &mut half {
        connection.send(&hello[..hello.len() / 2]);
    }
    for _ in 0..20 {
        let session = shake_hands(service.addr(), &config).unwrap();
        assert!(ask(session, "/hello").unwrap().ends_with("hello\n"));
    }
    // They are connections like all others while they last, and they do not last.
    let open = metrics(&service, &config).value("http_connections_open", &[]);
    assert_eq!(open, Some(251.0));
    for connection in silent.iter_mut().chain(&mut half) {
        assert!(connection.ends_within(ms(5000)));
    }
    eventually("each is counted", || {
        (failed_handshakes(&service, &config) == 250.0).then_some(())
    });
}

/// T-TLS-01, TLS-7: a place at the table is one whether or not a hand was shaken.
#[test]
fn handshakes_that_stall_make_room_when_there_is_none() {
    let pair = Pair::new();
    let secret = Secret::new("room", &pair);
    let config = trust([&pair]);
    let service = secret.service(&[("MAX_CONNECTIONS", "20"), ("READ_TIMEOUT", "60s")]);
    let _silent: Vec<_> = (0..60).map(|_| service.connect()).collect();
    for _ in 0..5 {
        let session = shake_hands(service.addr(), &config).unwrap();
        assert!(ask(session, "/hello").unwrap().ends_with("hello\n"));
    }
    let metrics = metrics(&service, &config);
    assert!(metrics.value("http_connections_open", &[]) <= Some(20.0));
    let reason = [("reason", "no_request")];
    let rejected = metrics.sum("http_connections_rejected_total", &reason);
    assert!(rejected >= 40.0, "{rejected}");
}

/// T-LIFE-05, TLS-7
#[test]
fn handshakes_that_stall_do_not_delay_the_end() {
    let pair = Pair::new();
    let secret = Secret::new("end", &pair);
    let config = trust([&pair]);
    let limits = [("READ_TIMEOUT", "60s"), ("SHUTDOWN_TIMEOUT", "20s")];
    let service = secret.service(&limits);
    let hello = hello(&config);
    let mut half: Vec<_> = (0..50).map(|_| service.connect()).collect();
    for connection in &mut half {
        connection.send(&hello[..hello.len() / 2]);
    }
    eventually("all are there", || {
        let open = metrics(&service, &config).value("http_connections_open", &[]);
        (open == Some(51.0)).then_some(())
    });
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < ms(1500), "{:?}", ended.took);
}

/// T-TLS-06, ADM-1, ADM-4
#[test]
fn a_flood_of_handshakes_keeps_no_probe_waiting() {
    let pair = Pair::new();
    let secret = Secret::new("flood", &pair);
    let config = trust([&pair]);
    let admin = secret.path("admin.sock");
    let addr = format!("unix:{}", admin.display());
    let service = secret.service(&[("ADMIN_ADDR", &addr)]);
    let over = AtomicBool::new(false);
    let shaken = AtomicUsize::new(0);
    let mut times = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    // The hello alone: the service's part is the costly one, and it is not awaited.
                    let mut client = service.connect();
                    client.send(hello(&config));
                    client.wait_for_bytes();
                    shaken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        eventually("there is a flood", || {
            (shaken.load(Ordering::Relaxed) > 100).then_some(())
        });
        let probes: Vec<_> = (0..100)
            .map(|_| {
                timed(|| assert_eq!(Connection::unix(&admin).unwrap().get("/health").status, 200)).1
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        probes
    });
    times.sort_unstable();
    assert!(times[50] < ms(100), "{:?}", times[50]);
}

/// T-TLS-05, TLS-7
#[test]
fn a_hello_may_come_byte_by_byte() {
    /// Sends every byte by itself.
    struct Drops(TcpStream);

    impl io::Read for Drops {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Drops {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(&bytes[..bytes.len().min(1)])
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    let pair = Pair::new();
    let secret = Secret::new("drops", &pair);
    let config = trust([&pair]);
    let service = secret.service(&[]);
    let socket = TcpStream::connect(service.addr()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(END)).unwrap();
    let mut session = StreamOwned::new(client(&config), Drops(socket));
    session
        .write_all(request("GET", "/hello", "").as_bytes())
        .unwrap();
    let mut answer = String::new();
    session.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("hello\n"), "{answer}");
}

/// T-TLS-07, TLS-7
#[test]
fn http_where_tls_is_spoken_is_closed_and_counted_and_so_is_the_reverse() {
    const CLIENTS: u32 = 20;
    let pair = Pair::new();
    let secret = Secret::new("mixed-up", &pair);
    let config = trust([&pair]);
    let service = secret.service(&[]);
    for _ in 0..CLIENTS {
        let mut plain = service.connect();
        plain.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let said = plain.read_to_end();
        assert!(!said.starts_with(b"HTTP"), "{said:?}");
    }
    assert_eq!(failed_handshakes(&service, &config), f64::from(CLIENTS));
    assert!(service.terminate().records_with("panic").is_empty());

    let service = start(&[]);
    for _ in 0..CLIENTS {
        let mut connection: Connection = service.connect();
        connection.send(hello(&config));
        let said = connection.read_to_end();
        let said = String::from_utf8_lossy(&said);
        assert!(
            said.starts_with("HTTP/1.1 400 ") || said.is_empty(),
            "{said}"
        );
    }
    let kind = [("kind", "malformed")];
    let refused = service.metrics().value("http_protocol_errors_total", &kind);
    assert_eq!(refused, Some(f64::from(CLIENTS)));
    let ended = service.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.records_with("panic").is_empty());
}

/// Clients that shake hands without end.
struct Shaking {
    over: AtomicBool,
    done: AtomicUsize,
    failed: AtomicUsize,
}

/// T-TLS-03, TLS-4, TLS-5
#[test]
fn no_handshake_fails_while_certificates_are_swapped_written_over_and_broken() {
    const SWAPS: usize = 20;
    const WRITES: usize = 5;
    let pairs: Vec<_> = (0..=SWAPS + WRITES).map(|_| Pair::new()).collect();
    let secret = Secret::new("reload", &pairs[0]);
    let config = trust(&pairs);
    let service = secret.service(&[]);
    let served = || {
        let session = shake_hands(service.addr(), &config).unwrap();
        session.conn.peer_certificates().unwrap()[0].clone()
    };
    let failures = || service.records_with("tls_reload_failed").len();
    let shaking = Shaking {
        over: AtomicBool::new(false),
        done: AtomicUsize::new(0),
        failed: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !shaking.over.load(Ordering::Relaxed) {
                    let session = shake_hands(service.addr(), &config);
                    let answer = session.and_then(|session| ask(session, "/hello"));
                    let good = answer.is_ok_and(|answer| answer.ends_with("hello\n"));
                    shaking.done.fetch_add(1, Ordering::Relaxed);
                    shaking
                        .failed
                        .fetch_add(usize::from(!good), Ordering::Relaxed);
                }
            });
        }
        let changes = scope.spawn(|| {
            for (version, pair) in pairs.iter().enumerate().skip(1).take(SWAPS) {
                secret.swap(version, pair);
                if version < SWAPS {
                    service.signal(Signal::Hup);
                }
                // The last one is seen without being told of.
                let seen = eventually_within(Duration::from_secs(5), || {
                    (served() == pair.der).then_some(())
                });
                assert!(seen.is_some(), "swap {version}");
            }
            assert_eq!(failures(), 0);
            for pair in &pairs[SWAPS + 1..] {
                secret.write(&pair.certificate, &pair.key);
                service.signal(Signal::Hup);
                eventually("what was written over is served", || {
                    (served() == pair.der).then_some(())
                });
            }
            let last = &pairs[SWAPS + WRITES];
            let half = &last.certificate[..last.certificate.len() / 2];
            for (certificate, key) in [
                (last.certificate.as_str(), pairs[0].key.as_str()),
                ("", ""),
                (half, &last.key),
            ] {
                let before = failures();
                secret.write(certificate, key);
                service.signal(Signal::Hup);
                eventually("the failure is told", || {
                    (failures() > before).then_some(())
                });
                assert_eq!(served(), last.der, "the old one stays in force");
            }
        });
        let outcome = changes.join();
        shaking.over.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
    let done = shaking.done.load(Ordering::Relaxed);
    assert!(done > 2 * SWAPS, "{done}");
    assert_eq!(shaking.failed.load(Ordering::Relaxed), 0, "of {done}");
}
