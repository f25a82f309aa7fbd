//! The one request that needs no load generator: is it up, and does it answer the right bytes?

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::Failure;

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
