//! Requests that need no load generator, and connections that ask for nothing.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{Failure, peer::BANNER};

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// All of it, in lower case.
    pub head: String,
    pub body: String,
}

/// Asks once, over a connection of its own.
pub fn get(addr: SocketAddr, path: &str) -> Result<Answer, Failure> {
    let text = exchange(addr, path)?;
    let malformed = || format!("{path} is not answered with HTTP: {text:?}");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(malformed)?,
        head: head.to_lowercase(),
        body: body.to_owned(),
    })
}

/// Opens so many connections, one in each such time or as soon as the one before is open.
pub fn idle(
    addr: SocketAddr,
    count: usize,
    pace: Duration,
    open: fn(SocketAddr) -> io::Result<TcpStream>,
) -> Result<Vec<TcpStream>, Failure> {
    let mut connections = Vec::with_capacity(count);
    let began = Instant::now();
    for number in 0..count {
        thread::sleep(pace.mul_f64(number as f64).saturating_sub(began.elapsed()));
        let one = open(addr);
        connections.push(one.map_err(|it| format!("idle connection {number}: {it}"))?);
    }
    Ok(connections)
}

/// Fails if the peer has closed or has sent more bytes.
pub fn all_open(connections: &[TcpStream]) -> Result<(), Failure> {
    for stream in connections {
        stream.set_nonblocking(true)?;
        match stream.peek(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return Err(format!("an idle connection is no longer idle: {other:?}").into()),
        }
    }
    Ok(())
}

/// A connection that has sent nothing.
pub fn silent(addr: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&addr, Duration::from_secs(5))
}

/// A connection that has had one answer.
pub fn answered_once(addr: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = silent(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET / HTTP/1.1\r\nhost: {addr}\r\n\r\n")?;
    let mut answer = Vec::new();
    while !answer.ends_with(BANNER.as_bytes()) {
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    Ok(stream)
}

fn exchange(addr: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
