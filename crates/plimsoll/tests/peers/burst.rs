//! More simultaneous clients than the service can accept.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use harness::{Signal, eventually, request};
use socket2::{Domain, Socket, Type};

use crate::setup::{Figures, Rest, scaled, serve};
use crate::support::END;

/// Returns the number of listen queue overflows on this machine.
fn overflows() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/net/netstat").ok()?;
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut pairs = names.split(' ').zip(values.split(' '));
    pairs
        .find(|(name, _)| *name == "ListenOverflows")?
        .1
        .parse()
        .ok()
}

/// SIG-4
#[test]
fn burst_during_a_stop_of_the_process_is_served() {
    let clients = scaled(400, 4_000);
    let service = serve(&[("MAX_CONNECTIONS", "12000")]);
    let mut figures = Figures::of("burst");
    let rest = Rest::before(&service);
    let overflows_before = overflows();
    service.signal(Signal::Stop);
    eventually("it stands still", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid()));
        status.unwrap().contains("State:\tT").then_some(())
    });
    let addr = service.addr().into();
    let burst: Vec<_> = (0..clients)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            // The connection is in progress, as required.
            drop(socket.connect(&addr));
            TcpStream::from(socket)
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    service.signal(Signal::Cont);
    let served = burst
        .into_iter()
        .filter_map(|mut stream| {
            stream.set_nonblocking(false).ok()?;
            stream.set_read_timeout(Some(END)).ok()?;
            // Waits until the connection is established, which may need a retransmission.
            stream
                .write_all(request("GET", "/hello", "").as_bytes())
                .ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            answer.starts_with("HTTP/1.1 200 ").then_some(())
        })
        .count();
    figures.exact("clients that are served", clients, served);
    let overflows = overflows_before.zip(overflows());
    let overflows = overflows.map_or(0, |(before, after)| after - before);
    figures.info("times that the queue had no room", overflows);
    rest.after(&mut figures, &service);
    figures.judge();
}
