//! The memory of idle connections, and of connections with a partial head.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use harness::Process;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::setup::{Figures, plain, resident_kib, scaled, scratch_folder, serve};

/// Sends a request, and keeps the connection.
fn ask_once<S: Read + Write>(mut stream: S) -> S {
    stream
        .write_all(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\nhello\n") {
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "{:?}", String::from_utf8_lossy(&seen));
        seen.extend(&buffer[..read]);
    }
    stream
}

fn connect(service: &Process) -> TcpStream {
    let stream = TcpStream::connect(service.addr()).unwrap();
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).unwrap();
    stream
}

/// Returns the memory of the service per connection that `open` makes, in KiB.
fn cost<S>(service: &Process, connections: u64, open: impl Fn() -> S) -> u64 {
    // Shared memory, which the first connections allocate.
    let first: Vec<S> = (0..50).map(|_| open()).collect();
    let before = resident_kib(service);
    let kept: Vec<S> = (0..connections).map(|_| open()).collect();
    let after = resident_kib(service);
    drop((first, kept));
    after.saturating_sub(before).div_ceil(connections)
}

#[test]
fn idle_connection_uses_little_memory() {
    let connections = scaled(300, 8_000);
    let mut figures = Figures::of("idle connections");
    let room = ("MAX_CONNECTIONS", "12000");
    let quiet = ("LOG_LEVEL", "CRITICAL");

    let service = serve(&[room, quiet]);
    let seen = cost(&service, connections, || ask_once(connect(&service)));
    // Valid at every scale: a buffer of the size of a head is far above it.
    figures.exact("at most 32 KiB for each plain one", true, seen <= 32);
    figures.info("KiB for each plain one", seen);
    drop(service);
    if plain() {
        return;
    }

    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = scratch_folder("idle");
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (file("cert.pem"), file("key.pem"));
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let tls = [("TLS_CERT_FILE", &*certificate), ("TLS_KEY_FILE", &*key)];
    let service = serve(&[room, quiet, tls[0], tls[1]]);
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = Arc::new(config.with_no_client_auth());
    let seen = cost(&service, connections, || {
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::clone(&config), name).unwrap();
        ask_once(StreamOwned::new(session, connect(&service)))
    });
    figures.exact("at most 64 KiB for each over TLS", true, seen <= 64);
    figures.info("KiB for each over TLS", seen);
    drop(service);
    std::fs::remove_dir_all(folder).unwrap();
    figures.judge();
}

#[test]
fn partial_head_uses_at_most_the_memory_of_a_head() {
    let connections = scaled(100, 2_000);
    let mut figures = Figures::of("large half heads");
    let service = serve(&[("MAX_CONNECTIONS", "12000"), ("READ_TIMEOUT", "60s")]);
    let half = |bytes: usize| {
        let mut stream = connect(&service);
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(bytes));
        // A client that sends too much may be rejected before everything is sent.
        drop(stream.write_all(head.as_bytes()));
        stream
    };
    // The maximal head, without its end.
    let seen = cost(&service, connections, || {
        let stream = half(60_000);
        std::thread::sleep(Duration::from_millis(2));
        stream
    });
    if !plain() {
        figures.exact("at most 96 KiB for each", true, seen <= 96);
    }
    figures.info("KiB for each", seen);
    let refused = (0..20).filter(|_| {
        let mut answer = [0; 12];
        let read = half(390_000).read_exact(&mut answer);
        read.is_err() || &answer == b"HTTP/1.1 431"
    });
    figures.exact("larger ones that are refused", 20, refused.count());
    figures.judge();
}
