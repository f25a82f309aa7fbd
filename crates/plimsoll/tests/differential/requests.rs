//! The requests of a case, with their exact bytes over HTTP/1.

use std::fmt;

/// A router and the connections to it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) plan: super::plan::Plan,
    pub(crate) connections: Vec<Connection>,
}

/// The requests of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) mode: Mode,
    pub(crate) requests: Vec<Sent>,
}

/// How the requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// HTTP/1: each request is sent when the response before it is complete.
    InTurn,
    /// HTTP/1: all requests are sent at once.
    Pipelined,
    /// HTTP/2: all requests are streams at the same time.
    Http2,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Numbers the request within its case.
    pub(crate) sequence: usize,
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub is_http_10: bool,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Payload,
    /// A request that RFC 9112 forbids a server to handle.
    pub(crate) is_malformed: bool,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    None,
    Sized(Vec<u8>),
    /// Over HTTP/2 the length is not declared; over HTTP/1 the body is chunked.
    Chunked {
        chunks: Vec<Vec<u8>>,
        trailer: bool,
    },
}

// === impl Payload ===

impl Payload {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Returns all bytes of the body.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Sized(bytes) => bytes.clone(),
            Self::Chunked { chunks, .. } => chunks.concat(),
        }
    }

    /// Returns the body as HTTP/1 transfers it.
    pub(crate) fn framed(&self) -> Vec<u8> {
        let Self::Chunked { chunks, trailer } = self else {
            return self.bytes();
        };
        let mut framed = Vec::new();
        for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
            framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
        }
        let end: &[u8] = if *trailer {
            b"0\r\nx-trailer: 1\r\n\r\n"
        } else {
            b"0\r\n\r\n"
        };
        framed.extend_from_slice(end);
        framed
    }
}

// === impl Sent ===

impl Sent {
    /// Returns the head as HTTP/1 transfers it.
    pub(crate) fn head(&self) -> Vec<u8> {
        let version = if self.is_http_10 { "1.0" } else { "1.1" };
        let mut head = format!("{} {} HTTP/{version}\r\n", self.method, self.target);
        let mut add = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        };
        if !self.is_malformed || self.headers.iter().all(|(name, _)| *name != "host") {
            add("host", "localhost");
        }
        add(super::handlers::SEQUENCE, &self.sequence.to_string());
        for (name, value) in &self.headers {
            add(name, value);
        }
        match &self.body {
            Payload::None => {}
            Payload::Sized(bytes) => add("content-length", &bytes.len().to_string()),
            Payload::Chunked { .. } if self.has_header("transfer-encoding") => {}
            Payload::Chunked { .. } => add("transfer-encoding", "chunked"),
        }
        head.push_str("\r\n");
        // Header values hold Latin-1 here, one byte for each character.
        head.chars().map(latin_1).collect()
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(it, _)| *it == name)
    }

    /// Returns the path of the target in origin form.
    pub(crate) fn path(&self) -> &str {
        let path = self.target.split('?').next();
        path.unwrap_or_default()
    }

    /// Returns whether the client waits for `100 Continue` before it sends the body.
    pub(crate) fn expects_continue(&self) -> bool {
        self.has_header("expect") && !self.body.is_none()
    }

    /// Returns smaller variants of this request.
    fn reductions(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        for index in 0..self.headers.len() {
            let mut request = self.clone();
            request.headers.remove(index);
            smaller.push(request);
        }
        let mut with_body = |body| {
            let mut request = self.clone();
            request.body = body;
            smaller.push(request);
        };
        match &self.body {
            Payload::None => {}
            Payload::Sized(bytes) => {
                with_body(Payload::None);
                if bytes.len() > 1 {
                    with_body(Payload::Sized(bytes[..bytes.len() / 2].to_vec()));
                }
            }
            Payload::Chunked { .. } => {
                with_body(Payload::None);
                with_body(Payload::Sized(self.body.bytes()));
            }
        }
        if let Some((path, _)) = self.target.split_once('?') {
            let mut request = self.clone();
            path.clone_into(&mut request.target);
            smaller.push(request);
        }
        smaller
    }
}

fn latin_1(character: char) -> u8 {
    u8::try_from(u32::from(character)).unwrap_or(b'?')
}

// === impl Case ===

impl Case {
    /// Returns smaller cases, the smallest first.
    pub(crate) fn reductions(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        let mut with_connections = |connections| {
            smaller.push(Self {
                plan: self.plan.clone(),
                connections,
            });
        };
        if self.connections.len() > 1 {
            for connection in &self.connections {
                with_connections(vec![connection.clone()]);
            }
        }
        for (index, connection) in self.connections.iter().enumerate() {
            let mut with = |changed: Connection| {
                let mut connections = self.connections.clone();
                connections[index] = changed;
                with_connections(connections);
            };
            for changed in connection.reductions() {
                with(changed);
            }
        }
        let plans = super::plan::reductions(&self.plan).into_iter();
        smaller.extend(plans.map(|plan| Self {
            plan,
            connections: self.connections.clone(),
        }));
        smaller
    }
}

// === impl Connection ===

impl Connection {
    fn reductions(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        let with = |requests| Self {
            mode: self.mode,
            requests,
        };
        if self.requests.len() > 1 {
            smaller.extend(self.requests.iter().map(|it| with(vec![it.clone()])));
            for index in 0..self.requests.len() {
                let mut requests = self.requests.clone();
                requests.remove(index);
                smaller.push(with(requests));
            }
        }
        if self.mode == Mode::Pipelined {
            smaller.push(Self {
                mode: Mode::InTurn,
                requests: self.requests.clone(),
            });
        }
        for (index, request) in self.requests.iter().enumerate() {
            smaller.extend(request.reductions().into_iter().map(|changed| {
                let mut requests = self.requests.clone();
                requests[index] = changed;
                with(requests)
            }));
        }
        smaller
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", super::plan::Code(&self.plan))?;
        for connection in &self.connections {
            writeln!(f, "{:?}:", connection.mode)?;
            for request in &connection.requests {
                write!(f, "  {}", request.head().escape_ascii())?;
                let body = request.body.framed();
                let shown = &body[..body.len().min(200)];
                write!(f, "{}", shown.escape_ascii())?;
                if body.len() > shown.len() {
                    write!(f, "... ({} bytes)", body.len())?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}
