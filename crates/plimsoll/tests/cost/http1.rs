//! One request at a time over each connection.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

pub(crate) fn ask(mut connections: Vec<TcpStream>, path: &str, rounds: usize) {
    let head = "HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: cost/1.0\r\nAccept: */*";
    let request = format!("GET {path} {head}\r\n\r\n");
    let mut answer = [0; 4096];
    for _ in 0..rounds {
        for connection in &mut connections {
            let sent = connection.write_all(request.as_bytes());
            sent.expect("requests are taken");
        }
        for connection in &mut connections {
            let length = connection.read(&mut answer).expect("it is answered");
            assert!(answer[..length].starts_with(b"HTTP/1.1 200 OK\r\n"));
        }
    }
}
