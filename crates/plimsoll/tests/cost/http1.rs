//! One request at a time over each connection, or several in one segment.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

pub(crate) fn ask(mut connections: Vec<TcpStream>, path: &str, pipelined: usize, rounds: usize) {
    let head = "HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: cost/1.0\r\nAccept: */*";
    let requests = format!("GET {path} {head}\r\n\r\n").repeat(pipelined);
    let mut answer = vec![0; 4096 * pipelined];
    for _ in 0..rounds {
        for connection in &mut connections {
            let sent = connection.write_all(requests.as_bytes());
            sent.expect("requests are taken");
        }
        for connection in &mut connections {
            let mut length = 0;
            while count(&answer[..length], b"HTTP/1.1 ") < pipelined {
                let read = connection.read(&mut answer[length..]);
                let read = read.expect("it is answered");
                assert!(read > 0, "the connection was closed");
                length += read;
            }
            // The last response has arrived whole, because the service writes it at once.
            assert_eq!(count(&answer[..length], b"HTTP/1.1 200 OK\r\n"), pipelined);
        }
    }
}

/// Counts the places of `text`.
fn count(bytes: &[u8], text: &[u8]) -> usize {
    bytes.windows(text.len()).filter(|it| *it == text).count()
}
