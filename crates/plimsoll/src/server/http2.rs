//! HTTP/2: its limits, and the tasks of its streams.
//!
//! | subject | limit | reason |
//! |---|---|---|
//! | concurrent streams | 100 | the recommended minimum of RFC 9113, 6.5.2 |
//! | header list | 16 KiB | decoded, names and values; above it h2 answers 431 |
//! | window of a stream, of a connection | 64 KiB, 1 MiB | bytes that a client may send before they are read |
//! | response bytes buffered for a stream | 64 KiB | memory that a client which does not read can occupy |
//! | resets by the client, by the server | 20 pending, 1024 | limits of h2 (CVE-2023-44487, CVE-2025-8671) |
//! | control frames in one turn | 128, then a pause of 1 ms | a flood of SETTINGS does not block a worker |
//! | idle connection | ping after 30 s, 20 s for its answer | half-open connections are closed |
//!
//! The task of a connection polls a new stream once; a stream that is then pending gets a task of its own.
//! Behind a handler that computes, all workers start the new streams ([`streams`]). [`write_timeout`] ends
//! a stream whose client accepts no bytes. [`ping_timer`] gives hyper the time for its pings.

mod frames;
mod ping_timer;
mod resets;
mod response;
mod streams;
mod tunnel;
mod write_timeout;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderValue, Request, header};
use hyper::{body::Incoming, server::conn::http2::Builder};
use tokio::{
    io::AsyncReadExt as _,
    time::{Sleep, sleep},
};

pub(crate) use self::frames::Frames;
use self::{frames::PREFACE, ping_timer::PingTimer, resets::Resets};
pub(super) use self::{
    response::StreamResponse,
    streams::{StreamExecutor, WithStreams},
    tunnel::Tunnel,
    write_timeout::ProgressBody,
};
use super::io::SocketIo;
use crate::metrics::Registry;

const MAX_STREAMS: u32 = 100;
const MAX_HEADER_LIST: u32 = 16 * 1024;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const SEND_BUFFER: usize = 64 * 1024;
const PING_AFTER: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// Returns a builder with the limits above. `streams` starts the tasks of the streams.
pub(super) fn builder(streams: StreamExecutor) -> Builder<StreamExecutor> {
    let mut builder = Builder::new(streams);
    builder
        .timer(PingTimer)
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

/// Follows the frames of a connection in both directions.
#[derive(Debug)]
pub(super) struct FrameFollower {
    pub(super) frames: Frames,
    resets: Resets,
    pause: Option<Pin<Box<Sleep>>>,
}

/// The pause of a connection after the control frames of one turn.
const PAUSE: Duration = Duration::from_millis(1);

impl FrameFollower {
    pub(super) fn new(registry: Arc<Registry>) -> Box<Self> {
        Box::new(Self {
            frames: Frames::new(),
            resets: Resets::new(registry),
            pause: None,
        })
    }

    /// Waits for the pause, if this turn has no control frames left.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.frames.is_spent() {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
            self.frames.begin_turn();
        }
        Poll::Ready(())
    }

    /// Follows the first `count` bytes of `bufs`, which were sent.
    pub(super) fn sent<'a>(&mut self, bufs: impl IntoIterator<Item = &'a [u8]>, mut count: usize) {
        for buf in bufs {
            let sent = &buf[..count.min(buf.len())];
            self.resets.follow(sent);
            count -= sent.len();
        }
    }
}

/// Returns true if a client starts with the preface of HTTP/2 (RFC 9113, 3.3). The bytes are put back.
pub(super) async fn has_prior_knowledge(io: &mut SocketIo) -> std::io::Result<bool> {
    let mut received = [0; PREFACE.len()];
    let mut length = 0;
    while length < received.len() && received[..length] == PREFACE[..length] {
        let count = io.read(&mut received[length..]).await?;
        if count == 0 {
            break;
        }
        length += count;
    }
    io.put_back(&received[..length]);
    Ok(received == *PREFACE)
}

/// Joins several cookie fields into one (RFC 9113, 8.2.3). HTTP/2 may split them, and code after the
/// server expects one field.
pub(super) fn join_cookies(request: &mut Request<Incoming>) {
    let headers = request.headers_mut();
    let mut fields = headers.get_all(header::COOKIE).iter();
    if fields.nth(1).is_none() {
        return;
    }
    let fields: Vec<_> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    // Never an error: valid values joined by a valid separator are valid.
    if let Ok(cookie) = HeaderValue::from_bytes(&fields.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookie);
    }
}
