//! Clients that request much and read nothing, over both versions of HTTP, beside a well-behaved
//! one.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::fresh_client;
use crate::setup::{Figures, Rest, scaled, serve};

/// Returns the duration of the attack.
fn length() -> Duration {
    scaled(Duration::from_secs(3), Duration::from_secs(20))
}

#[track_caller]
fn attack(test: &'static str, clients: usize, client: impl Fn(SocketAddr) -> TcpStream) {
    let slots = scaled("64", "1024");
    let service = serve(&[
        ("HTTP2_CLEARTEXT", "true"),
        ("MAX_CONNECTIONS", "12000"),
        ("MAX_IN_FLIGHT", slots),
    ]);
    let mut figures = Figures::of(test);
    let quiet = fresh_client::quiet(service.addr());
    let rest = Rest::before(&service);
    let ((), seen) = fresh_client::ask_during(service.addr(), "/hello", || {
        let crowd: Vec<_> = (0..clients).map(|_| client(service.addr())).collect();
        thread::sleep(length());
        drop(crowd);
    });
    fresh_client::judge(&mut figures, quiet, seen);
    rest.after(&mut figures, &service);
    figures.judge();
}

/// SRV-4
#[test]
fn unread_http2_responses_do_not_affect_others() {
    let streams = scaled(8, 100);
    attack("no reading, HTTP/2", 12, |addr| {
        let mut requests = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // SETTINGS: an initial window of 0.
        requests.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
        for number in 0..streams {
            // HEADERS: GET, http, the path and the authority as literals.
            requests.extend([0, 0, 13, 1, 5]);
            requests.extend((2 * number + 1_u32).to_be_bytes());
            requests.extend([0x82, 0x86, 0x04, 6]);
            requests.extend(b"/large");
            requests.extend([0x01, 1, b'a']);
        }
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.write_all(&requests).unwrap();
        stream
    });
}

/// SRV-4
#[test]
fn unread_http1_responses_do_not_affect_others() {
    attack("no reading, HTTP/1", scaled(80, 1_100), |addr| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&addr.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream
            .write_all(b"GET /stream?chunks=1000000000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        // A few hundred per second: each fills its socket before it stalls, which costs CPU time.
        thread::sleep(Duration::from_millis(4));
        stream
    });
}
