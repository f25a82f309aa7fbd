//! Handshakes that stall, are slow, or are not TLS.

use std::io::{Read as _, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::{io, thread};

use harness::{Connection, eventually, request, timed};
use rustls::StreamOwned;

use super::reload::Secret;
use super::session::{Pair, ask, client, failed_handshakes, handshake, hello, metrics, trust};
use crate::support::{END, ms, start};

/// TLS-7
#[test]
fn stalled_handshakes_do_not_block_others() {
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
        let session = handshake(service.addr(), &config).unwrap();
        assert!(ask(session, "/hello").unwrap().ends_with("hello\n"));
    }
    // They count as connections until their timeout.
    let open = metrics(&service, &config).value("http_connections_open", &[]);
    assert_eq!(open, Some(251.0));
    for connection in silent.iter_mut().chain(&mut half) {
        assert!(connection.ends_within(ms(5000)));
    }
    eventually("each is counted", || {
        (failed_handshakes(&service, &config) == 250.0).then_some(())
    });
}

/// TLS-7: a connection counts with and without a handshake.
#[test]
fn stalled_handshakes_are_evicted_at_the_limit() {
    let pair = Pair::new();
    let secret = Secret::new("room", &pair);
    let config = trust([&pair]);
    let service = secret.service(&[("MAX_CONNECTIONS", "20"), ("READ_TIMEOUT", "60s")]);
    let _silent: Vec<_> = (0..60).map(|_| service.connect()).collect();
    for _ in 0..5 {
        let session = handshake(service.addr(), &config).unwrap();
        assert!(ask(session, "/hello").unwrap().ends_with("hello\n"));
    }
    let metrics = metrics(&service, &config);
    assert!(metrics.value("http_connections_open", &[]) <= Some(20.0));
    let reason = [("reason", "no_request")];
    let rejected = metrics.sum("http_connections_rejected_total", &reason);
    assert!(rejected >= 40.0, "{rejected}");
}

/// TLS-7
#[test]
fn stalled_handshakes_do_not_delay_the_exit() {
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

/// ADM-1, ADM-4
#[test]
fn handshake_flood_does_not_delay_probes() {
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
                    // Only the ClientHello: the expensive part is on the server, and its response
                    // is not awaited.
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

/// TLS-7
#[test]
fn client_hello_may_arrive_byte_by_byte() {
    /// A stream that sends every byte in its own write.
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

/// TLS-7
#[test]
fn wrong_protocol_is_closed_and_counted() {
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
    // The socket is closed before the failure is counted.
    eventually("all failures are counted", || {
        (failed_handshakes(&service, &config) == f64::from(CLIENTS)).then_some(())
    });
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
