//! A collector of OTLP for tests.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use harness::eventually;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The responses of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Takes,
    /// Rejects one span of each batch.
    RefusesOne,
    Answers(u16),
    /// Does not respond.
    Hangs,
}

/// One received request.
#[derive(Debug, Clone)]
pub(super) struct Post {
    /// Request line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) request: ExportTraceServiceRequest,
}

#[derive(Clone)]
pub(super) struct Collector {
    pub(crate) addr: SocketAddr,
    pub(super) state: Arc<Mutex<State>>,
}

impl Collector {
    pub(crate) fn start(manner: Manner) -> Self {
        Self::listen(manner, None)
    }

    pub(crate) fn start_tls(config: Arc<ServerConfig>) -> Self {
        Self::listen(Manner::Takes, Some(config))
    }

    pub(super) fn listen(manner: Manner, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let collector = Self {
            addr: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(State {
                manner,
                posts: Vec::new(),
            })),
        };
        let shared = collector.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, tls, stream) = (shared.clone(), tls.clone(), stream.unwrap());
                thread::spawn(move || match tls {
                    Some(tls) => {
                        let session = ServerConnection::new(tls).unwrap();
                        shared.serve(StreamOwned::new(session, stream));
                    }
                    None => shared.serve(stream),
                });
            }
        });
        collector
    }

    /// Answers requests until the client disconnects.
    pub(super) fn serve(&self, stream: impl Read + Write) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                match stream.read_line(&mut head) {
                    Ok(1..) => {}
                    _ => return,
                }
            }
            let head = head.to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            if stream.read_exact(&mut body).is_err() {
                return;
            }
            let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
            let mut state = self.lock();
            let manner = state.manner;
            state.posts.push(Post { head, request });
            drop(state);
            let mut answer = ExportTraceServiceResponse::default();
            if manner == Manner::RefusesOne {
                answer.partial_success = Some(ExportTracePartialSuccess {
                    rejected_spans: 1,
                    error_message: "one too many".to_owned(),
                });
            }
            let status = match manner {
                Manner::Takes | Manner::RefusesOne => 200,
                Manner::Answers(status) => status,
                Manner::Hangs => loop {
                    thread::park();
                },
            };
            let body = answer.encode_to_vec();
            let length = body.len();
            let head = format!("HTTP/1.1 {status} Reply\r\nContent-Length: {length}\r\n\r\n");
            let answer = [head.as_bytes(), &body].concat();
            if stream.get_mut().write_all(&answer).is_err() {
                return;
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn becomes(&self, manner: Manner) {
        self.lock().manner = manner;
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.lock().posts.clone()
    }

    /// Returns all posted spans, whatever the response was.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let posts = self.posts().into_iter();
        posts
            .flat_map(|post| post.request.resource_spans)
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }

    /// Waits for a span of this name and returns the first.
    #[track_caller]
    pub(crate) fn span(&self, name: &str) -> Span {
        eventually(&format!("a span called {name}"), || {
            self.spans().into_iter().find(|span| span.name == name)
        })
    }
}

pub(super) struct State {
    pub(super) manner: Manner,
    pub(super) posts: Vec<Post>,
}

/// Returns the value of an attribute as text.
pub(super) fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.clone()?.value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(truth) => truth.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        other => panic!("{key} is {other:?}"),
    })
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
