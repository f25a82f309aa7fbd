//! Several streams at a time over each connection. Frames and header blocks are written by hand, so that
//! every run sends the same bytes.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Frame types and flags (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status 200` in the static table of HPACK.
const STATUS_200: u8 = 0x88;

/// `streams` is the number of requests of each connection in a round.
pub(crate) fn ask(connections: Vec<TcpStream>, path: &str, streams: usize, rounds: usize) {
    let block = header_block(path);
    let mut connections: Vec<_> = connections.into_iter().map(Connection::new).collect();
    for _ in 0..rounds {
        for connection in &mut connections {
            connection.send_requests(&block, streams);
        }
        for connection in &mut connections {
            connection.read_answers(streams);
        }
    }
}

/// Returns the header block of a request. It does not change the dynamic table.
fn header_block(path: &str) -> Vec<u8> {
    // `:method GET` and `:scheme http`, both indexed.
    let mut block = vec![0x82, 0x86];
    // Literals without indexing, whose names have an index.
    for (index, value) in [
        (&[0x04][..], path),
        (&[0x01], "localhost:8080"),
        (&[0x0f, 58 - 15], "cost/1.0"),
        (&[0x0f, 19 - 15], "*/*"),
    ] {
        block.extend_from_slice(index);
        block.push(u8::try_from(value.len()).expect("values are short"));
        block.extend_from_slice(value.as_bytes());
    }
    block
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("payloads are short");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

struct Connection {
    stream: TcpStream,
    next_id: u32,
    /// The rest of the bytes that were read.
    unread: Vec<u8>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let mut connection = Self {
            stream,
            next_id: 1,
            unread: Vec::new(),
        };
        let mut start = PREFACE.to_vec();
        start.extend(frame(SETTINGS, 0, 0, &[]));
        // The bodies of all rounds fit into the window of the connection.
        start.extend(frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 24).to_be_bytes()));
        connection.send(&start);
        connection
    }

    fn send(&mut self, bytes: &[u8]) {
        let sent = self.stream.write_all(bytes);
        sent.expect("frames are taken");
    }

    fn send_requests(&mut self, block: &[u8], streams: usize) {
        let mut requests = Vec::new();
        for _ in 0..streams {
            let flags = END_STREAM | END_HEADERS;
            requests.extend(frame(HEADERS, flags, self.next_id, block));
            self.next_id += 2;
        }
        self.send(&requests);
    }

    /// Reads until the responses of a round have ended.
    fn read_answers(&mut self, streams: usize) {
        let mut open = streams;
        while open > 0 {
            let (kind, flags, payload) = self.read_frame();
            match kind {
                HEADERS => assert_eq!(payload.first(), Some(&STATUS_200)),
                SETTINGS | PING if flags & ACK == 0 => {
                    let payload = if kind == PING { &payload[..] } else { &[] };
                    self.send(&frame(kind, ACK, 0, payload));
                }
                _ => {}
            }
            if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                open -= 1;
            }
        }
    }

    fn read_frame(&mut self) -> (u8, u8, Vec<u8>) {
        loop {
            if let Some((head, rest)) = self.unread.split_first_chunk::<9>() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if let Some(payload) = rest.get(..length) {
                    let frame = (head[3], head[4], payload.to_vec());
                    self.unread.drain(..9 + length);
                    return frame;
                }
            }
            let mut bytes = [0; 8192];
            let length = self.stream.read(&mut bytes).expect("it is answered");
            assert_ne!(length, 0, "the connection is open");
            self.unread.extend_from_slice(&bytes[..length]);
        }
    }
}
