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

    /// Whether it is the head of a response with status 200, which encoders write as an index.
    pub(crate) fn is_ok(&self) -> bool {
        /// A change of the table's size, which may precede the first field.
        const RESIZE: std::ops::Range<u8> = 0x20..0x40;
        const OK: u8 = 0x88;
        let mut fields = self.payload.iter().filter(|byte| !RESIZE.contains(byte));
        self.kind == HEADERS && fields.next() == Some(&OK)
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
    fn status_200_is_an_index() {
        let head = |payload: &[u8]| Frame {
            payload: payload.to_vec(),
            ..Frame::request(1, "GET", "/")
        };
        assert!(head(&[0x88]).is_ok());
        assert!(head(&[0x20, 0x88, 0x5f]).is_ok());
        assert!(!head(&[0x8d]).is_ok());
        assert!(!head(&[]).is_ok());
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
