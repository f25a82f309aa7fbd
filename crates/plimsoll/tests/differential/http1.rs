//! A client of HTTP/1 that sends exactly the bytes of a case, and reads responses by RFC 9112, 6.3.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
    time::timeout,
};

use super::{
    answer::{Answer, Outcome},
    requests::{Connection, Mode, Sent},
};

/// Limit of one read. It is reached only if a server neither answers nor closes.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sends the requests of a connection, and returns one outcome for each.
///
/// When the server closes the connection, the requests that are left are sent over a new one. A
/// request that gets no byte of a response on a new connection is [`Outcome::Closed`].
pub(crate) async fn exchange(
    addr: SocketAddr,
    connection: &Connection,
) -> io::Result<Vec<Outcome>> {
    let requests = &connection.requests[..];
    let mut outcomes = Vec::new();
    while outcomes.len() < requests.len() {
        let before = outcomes.len();
        let rest = &requests[before..];
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        match connection.mode {
            Mode::Pipelined => pipeline(stream, rest, &mut outcomes).await?,
            Mode::InTurn | Mode::Http2 => in_turn(stream, rest, &mut outcomes).await?,
        }
        if outcomes.len() == before {
            // This request ended the connection before, and not the response to the one before it.
            if let Some(Outcome::Answer(answer)) = outcomes.last_mut() {
                answer.ended_silently = false;
            }
            outcomes.push(Outcome::Closed);
        }
    }
    Ok(outcomes)
}

async fn in_turn(
    stream: TcpStream,
    requests: &[Sent],
    outcomes: &mut Vec<Outcome>,
) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = Reader::new(reader);
    for (index, request) in requests.iter().enumerate() {
        let mut bytes = request.head();
        let mut interim = Vec::new();
        let sending = if request.expects_continue() {
            // An error shows as the end of what can be read.
            let _ = writer.write_all(&bytes).await;
            match reader.head().await? {
                Some(head) if head.status == 100 => interim.push(100),
                Some(head) => {
                    // The response may depend on the body. RFC 9110, 10.1.1, leaves open whether
                    // the connection continues, so this is its last request.
                    let sending = send(writer, request.body.framed());
                    outcomes.push(reader.rest_of(head, request.method, interim).await?);
                    sending.abort();
                    return Ok(());
                }
                None => {
                    note_silent_end(index, outcomes);
                    return Ok(());
                }
            }
            send(writer, request.body.framed())
        } else {
            bytes.extend_from_slice(&request.body.framed());
            send(writer, bytes)
        };
        let Some(head) = reader.final_head(&mut interim).await? else {
            note_silent_end(index, outcomes);
            return Ok(());
        };
        let outcome = reader.rest_of(head, request.method, interim).await?;
        let is_last = outcome.is_last();
        outcomes.push(outcome);
        if is_last {
            sending.abort();
            return Ok(());
        }
        writer = sending.await.map_err(io::Error::other)?;
    }
    Ok(())
}

async fn pipeline(
    stream: TcpStream,
    requests: &[Sent],
    outcomes: &mut Vec<Outcome>,
) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let mut reader = Reader::new(reader);
    let mut bytes = Vec::new();
    for request in requests {
        bytes.extend_from_slice(&request.head());
        bytes.extend_from_slice(&request.body.framed());
    }
    let sending = send(writer, bytes);
    for (index, request) in requests.iter().enumerate() {
        let mut interim = Vec::new();
        let Some(head) = reader.final_head(&mut interim).await? else {
            note_silent_end(index, outcomes);
            break;
        };
        let outcome = reader.rest_of(head, request.method, interim).await?;
        let is_last = outcome.is_last();
        outcomes.push(outcome);
        if is_last {
            break;
        }
    }
    sending.abort();
    Ok(())
}

/// The connection has ended before a response: the response before it was the last, unannounced.
fn note_silent_end(index: usize, outcomes: &mut [Outcome]) {
    if index > 0
        && let Some(Outcome::Answer(answer)) = outcomes.last_mut()
    {
        answer.ended_silently = true;
    }
}

/// Sends while the response is being read; a server may answer before it has read everything.
fn send(mut writer: OwnedWriteHalf, bytes: Vec<u8>) -> JoinHandle<OwnedWriteHalf> {
    tokio::spawn(async move {
        // The server may have closed the connection; the reader sees that too.
        let _ = writer.write_all(&bytes).await;
        writer
    })
}

/// A parsed head of a response.
struct Head {
    status: u16,
    is_http_10: bool,
    headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self.headers.iter().filter(move |(it, _)| it == name);
        named.map(|(_, value)| &value[..])
    }

    fn has_token(&self, name: &str, token: &[u8]) -> bool {
        self.values(name)
            .any(|value| value.eq_ignore_ascii_case(token))
    }
}

/// Reads responses from a connection.
struct Reader {
    stream: OwnedReadHalf,
    buffer: Vec<u8>,
}

impl Reader {
    fn new(stream: OwnedReadHalf) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Reads more; false at the end of the connection.
    async fn fill(&mut self) -> io::Result<bool> {
        let read = self.stream.read_buf(&mut self.buffer);
        match timeout(PATIENCE, read).await {
            Ok(Ok(read)) => Ok(read > 0),
            // A reset is an end: the server had not read everything that was sent.
            Ok(Err(_)) => Ok(false),
            Err(_) => Err(io::Error::other("the server neither answers nor closes")),
        }
    }

    /// Reads up to and including `end`; none at the end of the connection.
    async fn through(&mut self, end: &[u8]) -> io::Result<Option<Vec<u8>>> {
        loop {
            let found = self.buffer.windows(end.len()).position(|it| it == end);
            if let Some(at) = found {
                return Ok(Some(self.buffer.drain(..at + end.len()).collect()));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Option<Vec<u8>>> {
        while self.buffer.len() < length {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        Ok(Some(self.buffer.drain(..length).collect()))
    }

    async fn head(&mut self) -> io::Result<Option<Head>> {
        let Some(bytes) = self.through(b"\r\n\r\n").await? else {
            return Ok(None);
        };
        parse_head(&bytes).map(Some)
    }

    /// Returns the head that is not 1xx; the statuses of those before it are collected.
    async fn final_head(&mut self, interim: &mut Vec<u16>) -> io::Result<Option<Head>> {
        loop {
            match self.head().await? {
                Some(head) if head.status < 200 => interim.push(head.status),
                other => return Ok(other),
            }
        }
    }

    /// Reads the body that belongs to a head.
    async fn rest_of(
        &mut self,
        head: Head,
        method: &str,
        interim: Vec<u16>,
    ) -> io::Result<Outcome> {
        let mut trailers = Vec::new();
        // What follows on the connection is not HTTP any more.
        let is_tunnel = method == "CONNECT" && head.status < 300;
        let length = head.values("content-length").next();
        let body = if method == "HEAD" || is_tunnel || matches!(head.status, 204 | 304) {
            Some(Vec::new())
        } else if head.has_token("transfer-encoding", b"chunked") {
            self.chunks(&mut trailers).await?
        } else if let Some(length) = length {
            let length = std::str::from_utf8(length).ok();
            let length = length.and_then(|it| it.parse().ok());
            self.exactly(length.ok_or_else(|| invalid("content-length"))?)
                .await?
        } else {
            while self.fill().await? {}
            Some(std::mem::take(&mut self.buffer))
        };
        let keeps = head.has_token("connection", b"keep-alive");
        let closes =
            head.has_token("connection", b"close") || (head.is_http_10 && !keeps) || is_tunnel;
        Ok(Outcome::Answer(Answer {
            interim,
            status: head.status,
            headers: head.headers,
            is_cut: body.is_none(),
            body: body.unwrap_or_default(),
            trailers,
            closes,
            ended_silently: false,
        }))
    }

    /// Reads chunks; none if the connection ends before the last.
    async fn chunks(
        &mut self,
        trailers: &mut Vec<(String, Vec<u8>)>,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut body = Vec::new();
        loop {
            let Some(line) = self.through(b"\r\n").await? else {
                return Ok(None);
            };
            let size = std::str::from_utf8(&line).ok();
            let size = size.and_then(|it| usize::from_str_radix(it.trim_end(), 16).ok());
            let size = size.ok_or_else(|| invalid("chunk size"))?;
            if size == 0 {
                break;
            }
            let Some(chunk) = self.exactly(size + 2).await? else {
                return Ok(None);
            };
            body.extend_from_slice(&chunk[..size]);
        }
        loop {
            let Some(line) = self.through(b"\r\n").await? else {
                return Ok(None);
            };
            if line == b"\r\n" {
                return Ok(Some(body));
            }
            trailers.push(parse_field(&line[..line.len() - 2])?);
        }
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::other(format!("malformed {what} in a response"))
}

fn parse_head(bytes: &[u8]) -> io::Result<Head> {
    let mut lines = bytes[..bytes.len() - 4].split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let status = first.get(9..12).and_then(|it| std::str::from_utf8(it).ok());
    let status = status.and_then(|it| it.parse().ok());
    let fields = lines.map(|line| parse_field(line.strip_suffix(b"\r").unwrap_or(line)));
    Ok(Head {
        status: status.ok_or_else(|| invalid("status line"))?,
        is_http_10: first.starts_with(b"HTTP/1.0"),
        headers: fields.collect::<io::Result<_>>()?,
    })
}

fn parse_field(line: &[u8]) -> io::Result<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.ok_or_else(|| invalid("field"))?);
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Ok((name, value[1..].trim_ascii().to_vec()))
}
