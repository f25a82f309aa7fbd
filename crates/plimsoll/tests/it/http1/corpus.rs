//! Requests that RFC 9110 and RFC 9112 call invalid, as bytes.

mod bodies;
mod heads;

use self::bodies::{CHUNKS, CODINGS, LENGTHS};
use self::heads::{FIELDS, HOSTS, METHODS, REQUEST_LINES, TARGETS, VERSIONS};

/// The required reaction to an invalid request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// A rejection and a close, or an immediate close.
    Refusal,
    /// At most one response and a close: the RFC allows a server to process it.
    OneAnswer,
}

/// An invalid request.
#[derive(Debug)]
pub(super) struct Invalid {
    pub(crate) raw: Vec<u8>,
    pub(crate) owed: Expected,
}

/// The end of the request lines below.
const HOST: &str = "\r\nHost: localhost\r\n\r\n";

/// Returns all invalid requests.
pub(super) fn invalid() -> Vec<Invalid> {
    let mut all = Vec::new();
    let mut add = |owed, raw: Vec<u8>| all.push(Invalid { raw, owed });
    for line in REQUEST_LINES {
        add(Expected::Refusal, [line, HOST.as_bytes()].concat());
    }
    for target in TARGETS {
        let line = format!("{target} HTTP/1.1{HOST}");
        add(Expected::Refusal, line.into_bytes());
    }
    for version in VERSIONS {
        let line = format!("GET /hello {version}{HOST}");
        add(Expected::Refusal, line.into_bytes());
    }
    for method in METHODS {
        let line = format!("{method} /hello HTTP/1.1{HOST}");
        add(Expected::Refusal, line.into_bytes());
    }
    for field in FIELDS {
        let head = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n";
        add(Expected::Refusal, [head, *field, b"\r\n\r\n"].concat());
    }
    for hosts in HOSTS {
        let head = b"GET /hello HTTP/1.1\r\n";
        add(Expected::Refusal, [head, *hosts, b"\r\n\r\n"].concat());
    }
    for length in LENGTHS {
        let head = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: ";
        add(Expected::Refusal, [head, *length, b"\r\n\r\nabc"].concat());
    }
    for coding in CODINGS {
        let head = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: ";
        add(
            Expected::Refusal,
            [head, *coding, b"\r\n\r\n0\r\n\r\n"].concat(),
        );
    }
    for raw in WHOLE {
        add(Expected::Refusal, raw.to_vec());
    }
    for body in chunked_bodies() {
        for path in ["/upload", "/upload-stream"] {
            add(Expected::Refusal, chunked(path, &body));
        }
    }
    for fields in TWO_FRAMINGS {
        for line in [
            "POST /upload",
            "POST /upload-stream",
            "POST /ignore-body",
            "GET /items/first",
            "POST /nowhere",
        ] {
            let raw = format!(
                "{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            );
            add(Expected::OneAnswer, raw.into_bytes());
        }
    }
    all
}

/// Returns malformed chunked bodies for handlers that respond without reading them.
pub(super) fn unread() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for body in chunked_bodies() {
        for path in ["/ignore-body", "/nowhere", "/hello", "/health"] {
            all.push(chunked(path, &body));
        }
    }
    all
}

pub(super) fn chunked(path: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Field lines that frame a body twice, the body being one chunk of three bytes.
const TWO_FRAMINGS: &[&str] = &[
    "Content-Length: 13\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 13",
    "Content-Length: 3\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 3",
    "Transfer-Encoding: chunked\r\nContent-Length: 0",
    "Content-Length: 0\r\nTransfer-Encoding: chunked",
    "Content-Length: 500\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 500",
    "transfer-encoding: Chunked\r\nCONTENT-LENGTH: 3",
    "Transfer-Encoding:\tchunked\t\r\nContent-Length: 3",
    "Content-Length: 3\r\nX: y\r\nTransfer-Encoding: chunked",
    "Content-Length: 3\r\nTransfer-Encoding: chunked\r\nContent-Length: 4",
    "Transfer-Encoding: chunked\r\nContent-Length: x",
    "Transfer-Encoding: chunked\r\nContent-Length: -1",
    "Transfer-Encoding: chunked\r\nContent-Length:",
    "Transfer-Encoding: chunked\r\nContent-Length: 3, 4",
    "Transfer-Encoding: chunked\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
    "Connection: keep-alive\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
    "Connection: Content-Length\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
    "Connection: Transfer-Encoding\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
];

/// Requests of their own kind.
const WHOLE: &[&[u8]] = &[
    b"POST /upload HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /upload HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /upload HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
    b"POST /upload HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\nHost: a b\r\n\r\n",
    b"GET http://localhost/hello HTTP/1.1\r\n\r\n",
    b"GET http://localhost/hello HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    b"GET http://localhost/hello HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET /hello HTTP/1.1\r\n X: y\r\nHost: localhost\r\n\r\n",
    b"GET /hello HTTP/1.1\r\n\tHost: localhost\r\nHost: localhost\r\n\r\n",
    b"GET /hello HTTP/1.1\r\r\nHost: localhost\r\n\r\n",
    b"GET /hello HTTP/1.1\rHost: localhost\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\rX\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost: localhost\r\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"HEAD /hello HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /health HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
];

fn chunked_bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = CHUNKS.iter().map(|body| body.to_vec()).collect();
    let long = |count: usize| vec![b'a'; count];
    // Extensions, in one piece and in many, and excessive trailers.
    bodies.push([b"3;", &long(20_000)[..], b"\r\nabc\r\n0\r\n\r\n"].concat());
    bodies.push([b"3;", &long(1_000_000)[..], b"\r\nabc\r\n0\r\n\r\n"].concat());
    bodies.push(b"1;aaaaaaaaaaaaaaaaaaaa\r\nx\r\n".repeat(1000));
    bodies.push([b"0\r\nX: ", &long(20_000)[..], b"\r\n\r\n"].concat());
    bodies.push([&b"0\r\n"[..], &b"X: y\r\n".repeat(101), b"\r\n"].concat());
    bodies
}
