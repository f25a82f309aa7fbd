//! A client of HTTP/2 that writes and reads frames (RFC 9113).
//!
//! A client library would correct what checks must send, and hide what they must see.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The first bytes of a client.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of the fixed part of a frame.
const HEAD: usize = 9;

/// Types of frames.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;

/// Flags of frames. `ACK` is one of other frames than `END_STREAM`.
pub(crate) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// The code of a connection that ends without an error.
pub(crate) const NO_ERROR: u32 = 0;

/// The code of a request that is malformed.
pub(crate) const PROTOCOL_ERROR: u32 = 1;

/// The code of a stream that was not handled, and may be requested again.
pub(crate) const REFUSED_STREAM: u32 = 7;

/// The code of a stream that its client no longer needs.
pub(crate) const CANCEL: u32 = 8;

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection of HTTP/2.
#[derive(Debug)]
pub(crate) struct Frames<S> {
    stream: S,
    received: Vec<u8>,
}

impl Frame {
    /// Creates the head of a request. Its fields are indexed names with plain values (RFC 7541).
    pub(crate) fn request(stream: u32, method: &str, path: &str) -> Self {
        const GET: u8 = 0x82;
        const HTTP: u8 = 0x86;
        let mut payload = Vec::new();
        match method {
            "GET" => payload.push(GET),
            other => literal(&mut payload, 2, other),
        }
        payload.push(HTTP);
        literal(&mut payload, 4, path);
        literal(&mut payload, 1, "localhost");
        Self {
            kind: HEADERS,
            flags: END_HEADERS | END_STREAM,
            stream,
            payload,
        }
    }

    /// Creates the head of an extended CONNECT for a WebSocket (RFC 8441), without one of its fields.
    pub(crate) fn connect(stream: u32, path: &str, id: &str, missing: &str) -> Self {
        let fields = [
            (":method", "CONNECT"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", path),
            (":protocol", "websocket"),
            ("sec-websocket-version", "13"),
            ("x-request-id", id),
        ];
        let mut payload = Vec::new();
        for (name, value) in fields.into_iter().filter(|(name, _)| *name != missing) {
            // The index 0 precedes the text of a name.
            literal(&mut payload, 0, name);
            text(&mut payload, value);
        }
        Self {
            kind: HEADERS,
            flags: END_HEADERS,
            stream,
            payload,
        }
    }

    /// Creates a part of the body of a stream that stays open.
    pub(crate) fn data(stream: u32, payload: &[u8]) -> Self {
        Self {
            kind: DATA,
            flags: 0,
            stream,
            payload: payload.to_vec(),
        }
    }

    /// Creates the frame that ends a stream.
    pub(crate) fn reset(stream: u32) -> Self {
        Self {
            kind: RST_STREAM,
            flags: 0,
            stream,
            payload: CANCEL.to_be_bytes().to_vec(),
        }
    }

    /// Creates a frame that its peer answers.
    pub(crate) fn ping() -> Self {
        Self {
            kind: PING,
            flags: 0,
            stream: 0,
            payload: vec![0; 8],
        }
    }

    /// Returns the bytes of the frame.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let [_, high, middle, low] = length.to_be_bytes();
        let mut bytes = vec![high, middle, low, self.kind, self.flags];
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Parses the first frame, and returns its length.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let [high, middle, low, kind, flags, a, b, c, d, rest @ ..] = bytes else {
            return None;
        };
        let length = u32::from_be_bytes([0, *high, *middle, *low]);
        let length = usize::try_from(length).ok()?;
        let frame = Self {
            kind: *kind,
            flags: *flags,
            stream: u32::from_be_bytes([*a & 0x7f, *b, *c, *d]),
            payload: rest.get(..length)?.to_vec(),
        };
        Some((frame, HEAD + length))
    }

    /// Returns the code of a frame that ends a stream or a connection.
    pub(crate) fn code(&self) -> Option<u32> {
        let code = match self.kind {
            RST_STREAM => self.payload.get(..4)?,
            // The last stream precedes the code.
            GOAWAY => self.payload.get(4..8)?,
            _ => return None,
        };
        code.try_into().ok().map(u32::from_be_bytes)
    }

    /// Returns the status of a head that encoders write as an index (RFC 7541, appendix A).
    pub(crate) fn status(&self) -> Option<u16> {
        /// A change of the table's size, which may precede the first field.
        const RESIZE: std::ops::Range<u8> = 0x20..0x40;
        const FIRST: u8 = 0x88;
        const STATUS: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        let mut fields = self.payload.iter().filter(|byte| !RESIZE.contains(byte));
        let index = fields.next().filter(|_| self.kind == HEADERS)?;
        let index = index.checked_sub(FIRST)?;
        STATUS.get(usize::from(index)).copied()
    }

    /// Whether it offers extended CONNECT (RFC 8441, section 3).
    pub(crate) fn offers_connect(&self) -> bool {
        const ENABLE_CONNECT_PROTOCOL: [u8; 6] = [0, 8, 0, 0, 0, 1];
        let mut settings = self.payload.chunks_exact(6);
        self.kind == SETTINGS && settings.any(|it| it == ENABLE_CONNECT_PROTOCOL)
    }

    /// Whether it ends a stream.
    pub(crate) fn ends(&self, stream: u32) -> bool {
        let is_last = self.flags & END_STREAM != 0 && self.kind <= HEADERS;
        self.stream == stream && (is_last || self.kind == RST_STREAM)
    }
}

/// Appends a field that is in no table. The value has fewer than 127 bytes.
fn literal(payload: &mut Vec<u8>, name: u8, value: &str) {
    payload.push(name);
    text(payload, value);
}

/// Appends a text of fewer than 127 bytes.
fn text(payload: &mut Vec<u8>, value: &str) {
    payload.push(u8::try_from(value.len()).unwrap_or(0));
    payload.extend_from_slice(value.as_bytes());
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Begins HTTP/2, without waiting for the service.
    ///
    /// # Errors
    ///
    /// The error of the connection.
    pub(crate) async fn begin(stream: S) -> io::Result<Self> {
        let mut frames = Self {
            stream,
            received: Vec::new(),
        };
        let settings = Frame {
            kind: SETTINGS,
            flags: 0,
            stream: 0,
            payload: Vec::new(),
        };
        let bytes = [PREFACE, &settings.bytes()].concat();
        frames.stream.write_all(&bytes).await?;
        Ok(frames)
    }

    /// Writes frames.
    ///
    /// # Errors
    ///
    /// The error of the connection.
    pub(crate) async fn send(&mut self, frames: &[Frame]) -> io::Result<()> {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        self.stream.write_all(&bytes).await
    }

    /// Reads the next frame, and answers it if the protocol requires that.
    ///
    /// # Errors
    ///
    /// The end of the connection, or its error.
    pub(crate) async fn next(&mut self) -> io::Result<Frame> {
        loop {
            if let Some((frame, length)) = Frame::parse(&self.received) {
                self.received.drain(..length);
                if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
                    let answer = Frame {
                        flags: ACK,
                        payload: match frame.kind {
                            PING => frame.payload.clone(),
                            _ => Vec::new(),
                        },
                        ..frame
                    };
                    self.send(&[answer]).await?;
                }
                return Ok(frame);
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_is_parsed_as_it_was_written() {
        let request = Frame::request(3, "GET", "/health");
        let mut bytes = request.bytes();
        assert_eq!(Frame::parse(&bytes[..bytes.len() - 1]), None);
        bytes.extend(Frame::reset(3).bytes());
        let (frame, length) = Frame::parse(&bytes).unwrap();
        assert_eq!(frame, request);
        assert!(frame.ends(3) && !frame.ends(1));
        let (reset, _) = Frame::parse(&bytes[length..]).unwrap();
        assert_eq!(reset.code(), Some(CANCEL));
        assert!(reset.ends(3));
        let end = Frame {
            kind: GOAWAY,
            payload: vec![0, 0, 0, 3, 0, 0, 0, 11],
            ..reset
        };
        assert_eq!(end.code(), Some(11));
        assert_eq!(request.code(), None);
    }

    #[test]
    fn status_is_an_index() {
        let status = |payload: &[u8]| {
            let head = Frame {
                payload: payload.to_vec(),
                ..Frame::request(1, "GET", "/")
            };
            head.status()
        };
        assert_eq!(status(&[0x88]), Some(200));
        assert_eq!(status(&[0x20, 0x88, 0x5f]), Some(200));
        assert_eq!(status(&[0x8c]), Some(400));
        assert_eq!(status(&[0x8f]), None);
        assert_eq!(status(&[0x82]), None);
        assert_eq!(status(&[]), None);
        assert_eq!(Frame::data(1, &[0x88]).status(), None);
    }

    #[test]
    fn setting_offers_extended_connect() {
        let settings = |payload: &[u8]| Frame {
            kind: SETTINGS,
            payload: payload.to_vec(),
            ..Frame::ping()
        };
        assert!(settings(&[0, 3, 0, 0, 0, 8, 0, 8, 0, 0, 0, 1]).offers_connect());
        assert!(!settings(&[0, 8, 0, 0, 0, 0]).offers_connect());
        assert!(!settings(&[]).offers_connect());
    }

    #[test]
    fn connect_has_all_fields_but_one() {
        let has = |missing, name: &str| {
            let head = Frame::connect(1, "/", "a", missing).payload;
            let field = [&[0, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
            head.windows(field.len()).any(|it| it == field)
        };
        assert!(has("", ":protocol") && has("", ":scheme"));
        assert!(!has(":protocol", ":protocol") && has(":protocol", ":scheme"));
    }

    #[tokio::test]
    async fn settings_are_acknowledged() {
        let (client, mut service) = tokio::io::duplex(1024);
        let mut frames = Frames::begin(client).await.unwrap();
        service
            .write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        assert_eq!(frames.next().await.unwrap().kind, SETTINGS);
        let mut bytes = vec![0; PREFACE.len() + 2 * HEAD];
        service.read_exact(&mut bytes).await.unwrap();
        assert_eq!(
            bytes[PREFACE.len() + HEAD..],
            [0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0]
        );
        drop(service);
        assert!(frames.next().await.is_err());
    }
}
