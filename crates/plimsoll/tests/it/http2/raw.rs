//! A raw client of HTTP/2: sends any frames and returns those of the service.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use super::client::{PREFACE_AND_SETTINGS, frame};

pub(super) const DATA: u8 = 0;

pub(super) const HEADERS: u8 = 1;

pub(super) const RST_STREAM: u8 = 3;

pub(super) const SETTINGS: u8 = 4;

pub(super) const PING: u8 = 6;

pub(super) const GOAWAY: u8 = 7;

pub(super) const WINDOW_UPDATE: u8 = 8;

pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;

const ACK: u8 = 1;

pub(super) const END_HEADERS: u8 = 4;

/// Above every limit that a test waits for.
const PATIENCE: Duration = Duration::from_secs(15);

/// A frame from the service.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// Returns the status if it is in the static table of HPACK.
    pub(super) fn status(&self) -> Option<u16> {
        match self.payload.first()? {
            _ if self.kind != HEADERS => None,
            0x88 => Some(200),
            0x8c => Some(400),
            0x8d => Some(404),
            0x8e => Some(500),
            _ => None,
        }
    }

    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// A connection.
pub(super) struct RawClient {
    pub(super) socket: TcpStream,
    /// Whether the client acknowledges pings and opens windows, as required.
    pub(super) polite: bool,
}

impl RawClient {
    /// Opens a connection and sends the preface.
    pub(super) fn connect(addr: SocketAddr) -> Self {
        let socket = TcpStream::connect(addr).expect("connections are taken");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        socket
            .set_write_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        socket.set_nodelay(true).expect("it can be set");
        let mut bare = Self {
            socket,
            polite: true,
        };
        assert!(bare.send(PREFACE_AND_SETTINGS));
        bare
    }

    /// Returns whether the service still accepts data.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        match self.socket.write_all(bytes.as_ref()) {
            Ok(()) => true,
            Err(error) if is_end(error.kind()) => false,
            Err(error) => panic!("the service takes nothing: {error}"),
        }
    }

    /// Returns the next frame, or `None` if the connection has ended.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let mut header = [0; 9];
        self.fill(&mut header)?;
        let [high, middle, low, kind, flags, stream @ ..] = header;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let mut payload = vec![0; length];
        self.fill(&mut payload)?;
        let next = Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            payload,
        };
        if self.polite {
            self.react(&next);
        }
        Some(next)
    }

    pub(super) fn react(&mut self, next: &Frame) {
        // A failed write shows at the next frame.
        if next.kind == PING && next.flags & ACK == 0 {
            self.send(frame(PING, ACK, 0, &next.payload));
        }
        if next.kind == DATA && !next.payload.is_empty() {
            let taken = u32::try_from(next.payload.len()).expect("a frame is short");
            self.send(window_update(0, taken));
            if !next.ends_stream() {
                self.send(window_update(next.stream, taken));
            }
        }
    }

    /// Returns the next frame that is `wanted`, or `None` if the connection ends before it.
    pub(super) fn until(&mut self, mut wanted: impl FnMut(&Frame) -> bool) -> Option<Frame> {
        loop {
            let next = self.next()?;
            if wanted(&next) {
                return Some(next);
            }
        }
    }

    /// Returns all frames until the connection ends.
    pub(super) fn rest(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Sends pieces until none is left or the service closes, and reads incoming frames meanwhile.
    pub(super) fn flood(mut self, pieces: impl IntoIterator<Item = Vec<u8>>) -> Flooded {
        let mut reader = Self {
            socket: self.socket.try_clone().expect("a socket can be shared"),
            polite: false,
        };
        let reading = thread::spawn(move || {
            let mut flooded = Flooded::default();
            while let Some(next) = reader.next() {
                flooded.resets += usize::from(next.kind == RST_STREAM);
                if next.kind == GOAWAY {
                    flooded.goaway = next.payload.get(4..8).map(<[u8]>::to_vec);
                }
            }
            flooded
        });
        let hung_up = pieces.into_iter().any(|piece| !self.send(piece));
        // The connection may be closed already.
        let _ = self.socket.shutdown(Shutdown::Write);
        let said = reading.join().expect("the reader ends");
        Flooded { hung_up, ..said }
    }

    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.socket.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) if is_end(error.kind()) => None,
            Err(error) => panic!("the service says nothing: {error}"),
        }
    }
}

/// How a flood ended.
#[derive(Debug, Default)]
pub(super) struct Flooded {
    /// The service stopped reading.
    pub(super) hung_up: bool,
    /// The reason of its last GOAWAY.
    pub(super) goaway: Option<Vec<u8>>,
    /// Number of streams that the service has reset.
    pub(super) resets: usize,
}

impl Flooded {
    pub(super) fn is_stopped(&self) -> bool {
        self.hung_up || self.goaway.is_some()
    }
}

fn is_end(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

/// Returns a header field as a literal.
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        field.push(u8::try_from(text.len()).expect("a short text"));
        field.extend(text.bytes());
    }
    field
}

/// Returns a header block of these fields.
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| field(name, value))
        .collect()
}

/// Returns the four fields of every request.
pub(super) fn request<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "a"),
    ]
}

/// Returns a HEADERS frame with a whole head.
pub(super) fn head(stream: u32, fields: &[(&str, &str)], ends: bool) -> Vec<u8> {
    let end = if ends { END_STREAM } else { 0 };
    frame(HEADERS, END_HEADERS | end, stream, &block(fields))
}

/// Returns a whole GET request.
pub(super) fn get(stream: u32, path: &str) -> Vec<u8> {
    head(stream, &request("GET", path), true)
}

pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

pub(super) fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}
