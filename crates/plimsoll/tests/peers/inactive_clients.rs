//! Clients that connect, and then neither send nor read.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::fresh_client;
use crate::setup::{Figures, Rest, descriptors, now, plain, scaled, serve};

/// Returns whether the peer has ended the connection. Received bytes are discarded.
fn has_ended(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// SRV-6
#[test]
fn silent_clients_time_out_without_affecting_others() {
    let clients = scaled(200, 10_000);
    let limit = scaled(Duration::from_secs(1), Duration::from_secs(12));
    let limit_text = format!("{}s", limit.as_secs());
    let service = serve(&[("MAX_CONNECTIONS", "12000"), ("READ_TIMEOUT", &limit_text)]);
    let mut figures = Figures::of("silence");
    let quiet = fresh_client::quiet(service.addr());
    let rest = Rest::before(&service);
    let (lives, seen) = fresh_client::ask_during(service.addr(), "/hello", || {
        silent(service.addr(), clients, limit)
    });
    let never = clients - lives.len();
    let shortest = lives.iter().min().copied().unwrap_or_default();
    let longest = lives.iter().max().copied().unwrap_or_default();
    figures.exact("silent connections that are not closed", 0, never);
    figures.limit(
        "lives of the silent connections",
        format!("{limit:?} +-1s"),
        format!("{shortest:?} to {longest:?}"),
        shortest + Duration::from_secs(1) >= limit && longest <= limit + Duration::from_secs(1),
    );
    fresh_client::judge(&mut figures, quiet, seen);
    rest.after(&mut figures, &service);
    figures.judge();
}

/// Opens a thousand connections per second, and returns the lifetime of each closed one.
fn silent(addr: SocketAddr, clients: usize, limit: Duration) -> Vec<Duration> {
    let mut open: Vec<(TcpStream, Instant)> = Vec::new();
    let mut lives = Vec::new();
    let began = now();
    let give_up = began + 2 * limit + Duration::from_secs(10);
    while lives.len() < clients && now() < give_up {
        let due = usize::try_from(began.elapsed().as_millis()).unwrap_or(clients);
        while open.len() + lives.len() < due.min(clients) {
            let stream = TcpStream::connect(addr).unwrap();
            stream.set_nonblocking(true).unwrap();
            open.push((stream, now()));
        }
        open.retain_mut(|(stream, since)| {
            let ended = has_ended(stream);
            if ended {
                lives.push(since.elapsed());
            }
            !ended
        });
        thread::sleep(Duration::from_millis(20));
    }
    lives
}

/// SRV-6
#[test]
fn clients_that_never_read_time_out_without_affecting_others() {
    let clients = scaled(50, 2_000);
    let limit = scaled(Duration::from_secs(1), Duration::from_secs(30));
    let limit_text = format!("{}s", limit.as_secs());
    let service = serve(&[
        ("MAX_CONNECTIONS", "12000"),
        ("MAX_IN_FLIGHT", "12000"),
        ("WRITE_TIMEOUT", &limit_text),
    ]);
    let mut figures = Figures::of("no reading");
    let quiet = fresh_client::quiet(service.addr());
    let rest = Rest::before(&service);
    let before = descriptors(&service);
    let (took, seen) = fresh_client::ask_during(service.addr(), "/hello", || {
        let crowd: Vec<_> = (0..clients)
            .map(|_| {
                // At most 500 per second.
                thread::sleep(Duration::from_millis(2));
                never_reading(service.addr())
            })
            .collect();
        let began = now();
        let give_up = limit + Duration::from_secs(10);
        // Up to eight fresh clients may be connected.
        while descriptors(&service) > before + 8 && began.elapsed() < give_up {
            thread::sleep(Duration::from_millis(50));
        }
        let left = descriptors(&service).saturating_sub(before + 8);
        drop(crowd);
        (left == 0).then(|| began.elapsed())
    });
    match took {
        Some(took) => figures.limit(
            "time until the last one is closed",
            format!("{limit:?} +-2s"),
            format!("{took:?}"),
            took <= limit + Duration::from_secs(2),
        ),
        None => figures.exact("connections left open", "none", "some"),
    }
    fresh_client::judge(&mut figures, quiet, seen);
    if !plain() {
        let closed = service
            .metrics()
            .sum("http_connections_rejected_total", &[]);
        figures.info("evicted connections", closed);
    }
    rest.after(&mut figures, &service);
    figures.judge();
}

/// Requests 5 MB and reads nothing.
fn never_reading(addr: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&addr.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    stream
}
