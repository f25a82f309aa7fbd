//! A client that counts its failures; `harness::Connection` fails the test at the first.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// The response timeout: a client that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(15);

/// A client that keeps its connection open as long as the service allows.
pub(crate) struct Client {
    to: SocketAddr,
    from: IpAddr,
    stream: Option<TcpStream>,
}

/// The relevant parts of a response.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: bool,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self::from(to, Ipv4Addr::LOCALHOST.into())
    }

    /// Returns a client with its own address in 127.0.0.0/8.
    pub(crate) fn from(to: SocketAddr, from: IpAddr) -> Self {
        let stream = None;
        Self { to, from, stream }
    }

    /// Sends a whole request and reads the whole response, over the current connection.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Reply, String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self
                .connect()
                .map_err(|error| format!("connecting: {error}"))?,
        };
        stream
            .write_all(request)
            .map_err(|error| format!("sending: {error}"))?;
        let (reply, keep) = read(&mut stream)?;
        self.stream = keep.then_some(stream);
        Ok(reply)
    }

    pub(crate) fn get(&mut self, path: &str, headers: &str) -> Result<Reply, String> {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes())
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if self.from != IpAddr::V4(Ipv4Addr::LOCALHOST) {
            socket.bind(&SocketAddr::new(self.from, 0).into())?;
        }
        socket.connect_timeout(&self.to.into(), PATIENCE)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(socket.into())
    }
}

/// Reads one response, and returns whether another request may follow.
fn read(stream: &mut TcpStream) -> Result<(Reply, bool), String> {
    let mut bytes = Vec::with_capacity(1024);
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = std::str::from_utf8(&bytes[..end]).map_err(|error| error.to_string())?;
            let head = Head::parse(head)?;
            if bytes.len() >= end + 4 + head.length {
                return Ok((head.reply, head.keep));
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) if bytes.is_empty() => return Err("closed without an answer".to_owned()),
            Ok(0) => return Err("closed in the middle of an answer".to_owned()),
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("reading: {error}")),
        }
    }
}

struct Head {
    reply: Reply,
    length: usize,
    keep: bool,
}

// === impl Head ===

impl Head {
    fn parse(head: &str) -> Result<Self, String> {
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|status| status.parse().ok());
        let status = status.ok_or("the answer has no status")?;
        let mut head = Self {
            reply: Reply {
                status,
                retry_after: false,
            },
            length: 0,
            keep: true,
        };
        let mut has_length = false;
        for line in lines {
            let (name, value) = line.split_once(':').ok_or("a header has no colon")?;
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    head.length = value.trim().parse().map_err(|_| "no length")?;
                    has_length = true;
                }
                "connection" => head.keep = !value.trim().eq_ignore_ascii_case("close"),
                "retry-after" => head.reply.retry_after = true,
                _ => {}
            }
        }
        match has_length {
            true => Ok(head),
            false => Err(format!("status {status} without a length")),
        }
    }
}
