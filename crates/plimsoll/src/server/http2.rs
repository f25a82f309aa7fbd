//! HTTP/2: its limits, its streams, and the end of both.
//!
//! | what | limit | why |
//! |---|---|---|
//! | streams at a time | 100 | what RFC 9113, 6.5.2, takes for the least that does not hinder |
//! | header list | 16 KiB | decoded, names and values; above it h2 answers 431 |
//! | window of a stream, of a connection | 64 KiB, 1 MiB | what a client may send unasked |
//! | answer that is buffered for a stream | 64 KiB | what a client that does not read may hold |
//! | resets by the client, by us | 20 pending, 1024 | h2's own limits (CVE-2023-44487, CVE-2025-8671) |
//! | control frames at a time | 128, then a pause of 1 ms | a flood of SETTINGS holds no worker |
//! | silence of the other side | ping after 30 s, 20 s for its answer | half-open connections go |
//!
//! A stream is a task of its own, beside that of its connection: [`Streams`] starts it, counts it,
//! ends it with its connection, and gives it up when its client takes nothing ([`pace`]).

mod frames;
mod resets;
mod tunnel;
mod write_timeout;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderValue, Request, header};
use hyper::{body::Incoming, rt::Executor, server::conn::http2::Builder};
use hyper_util::rt::TokioTimer;
use tokio::{
    io::AsyncReadExt as _,
    time::{Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::frames::Frames;
use self::{resets::Resets, tunnel::SendingHalf, write_timeout::StreamWriteTimeout};
pub(super) use self::{tunnel::Tunnel, write_timeout::ProgressBody};
use super::io::SocketIo;
use crate::{
    connection::ConnectionState, edge::StalledResponses, lifecycle::ConnectionTracker,
    metrics::Registry,
};

/// What a client begins with (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const MAX_STREAMS: u32 = 100;
const MAX_HEADER_LIST: u32 = 16 * 1024;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const SEND_BUFFER: usize = 64 * 1024;
const PING_AFTER: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// A connection with the limits above, whose streams are started by `streams`.
pub(super) fn builder(streams: StreamExecutor) -> Builder<StreamExecutor> {
    let mut builder = Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PONG_WITHIN)
        .enable_connect_protocol();
    builder
}

/// What follows both directions of a connection.
#[derive(Debug)]
pub(super) struct FrameFollower {
    pub(super) frames: Frames,
    resets: Resets,
    pause: Option<Pin<Box<Sleep>>>,
}

/// How long a client waits that sends more control frames at a time than one turn has.
const PAUSE: Duration = Duration::from_millis(1);

impl FrameFollower {
    pub(super) fn new(registry: Arc<Registry>) -> Box<Self> {
        Box::new(Self {
            frames: Frames::new(),
            resets: Resets::new(registry),
            pause: None,
        })
    }

    /// Waits, if the control frames of this turn have all begun.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.frames.is_spent() {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
            self.frames.begin_turn();
        }
        Poll::Ready(())
    }

    /// Follows the first `count` bytes of what was to be sent.
    pub(super) fn sent<'a>(&mut self, bufs: impl IntoIterator<Item = &'a [u8]>, mut count: usize) {
        for buf in bufs {
            let sent = &buf[..count.min(buf.len())];
            self.resets.follow(sent);
            count -= sent.len();
        }
    }
}

/// Whether a client speaks HTTP/2 without having asked (RFC 9113, 3.3). What it has said stays to
/// be read.
pub(super) async fn has_prior_knowledge(raw: &mut SocketIo) -> std::io::Result<bool> {
    let mut said = [0; PREFACE.len()];
    let mut length = 0;
    while length < said.len() && said[..length] == PREFACE[..length] {
        let count = raw.read(&mut said[length..]).await?;
        if count == 0 {
            break;
        }
        length += count;
    }
    raw.unread(&said[..length]);
    Ok(said == *PREFACE)
}

/// Joins the crumbs of a cookie, which HTTP/2 may send one by one and nobody behind it expects so
/// (RFC 9113, 8.2.3).
pub(super) fn join_cookies(request: &mut Request<Incoming>) {
    let headers = request.headers_mut();
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    if crumbs.nth(1).is_none() {
        return;
    }
    let crumbs: Vec<_> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    // Valid values joined by a valid separator are valid.
    if let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookie);
    }
}

/// Starts the streams of one connection.
#[derive(Debug, Clone)]
pub(super) struct StreamExecutor {
    connections: Arc<ConnectionTracker>,
    state: Arc<ConnectionState>,
    /// `WRITE_TIMEOUT`, for a client that opens no window.
    patience: Duration,
    stalled: Arc<StalledResponses>,
    /// Ends them all.
    over: CancellationToken,
}

impl StreamExecutor {
    pub(super) fn new(
        connections: Arc<ConnectionTracker>,
        state: Arc<ConnectionState>,
        patience: Duration,
        stalled: Arc<StalledResponses>,
    ) -> Self {
        Self {
            connections,
            state,
            patience,
            stalled,
            over: CancellationToken::new(),
        }
    }

    /// What ends all streams when it is dropped.
    pub(super) fn guard(&self) -> impl Drop + use<> {
        self.over.clone().drop_guard()
    }
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let open = StreamGuard::new(Arc::clone(&self.state));
        let over = self.over.clone();
        if let Some(half) = SendingHalf::take() {
            let sending = half.run(stream, self.patience, Arc::clone(&self.state));
            self.connections.spawn(async move {
                let _open = open;
                over.run_until_cancelled(sending).await;
            });
            return;
        }
        let stream =
            StreamWriteTimeout::new(stream, self.patience, Arc::clone(&self.stalled), open);
        self.connections.spawn(async move {
            over.run_until_cancelled(stream).await;
        });
    }
}

/// Counts a stream, from its beginning to its end.
struct StreamGuard(Arc<ConnectionState>);

impl StreamGuard {
    fn new(state: Arc<ConnectionState>) -> Self {
        state.stream_began();
        Self(state)
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.stream_ended();
    }
}
