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
            let (mut length, mut answers) = (0, 0);
            while answers < pipelined {
                let count = connection.read(&mut answer[length..]);
                length += count.expect("it is answered");
                answers = count_answers(&answer[..length]);
            }
        }
    }
}

/// Counts the responses by their status lines. The last one has arrived with its body, because the
/// service writes both at once.
fn count_answers(bytes: &[u8]) -> usize {
    const STATUS: &[u8] = b"HTTP/1.1 200 OK\r\n";
    bytes
        .windows(STATUS.len())
        .filter(|it| *it == STATUS)
        .count()
}
