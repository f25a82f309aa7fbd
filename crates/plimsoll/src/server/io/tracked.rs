//! The I/O of HTTP, above TLS: what the client sends, and responses that share a write.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Stream;
use crate::{
    connection::ConnectionState,
    server::{
        guard::ConnectionGuard,
        http1::{MessageScanner, ResponseBatch},
        http2::FrameFollower,
        tls,
        websocket::WebSocketEnd,
    },
    sync::{Mutex, lock},
};

/// The scanner for the bytes of a client.
#[derive(Debug)]
pub(in crate::server) enum Protocol {
    Http1(MessageScanner),
    Http2(Box<FrameFollower>),
}

/// A stream that records in the connection state when bytes of HTTP arrive.
#[derive(Debug)]
pub(in crate::server) struct TrackedIo {
    /// `Some` until the drop.
    stream: Option<Stream>,
    state: Arc<ConnectionState>,
    protocol: Protocol,
    /// Bytes that hyper must not read yet: those after a head whose framing is unknown, or after the
    /// frames of one turn.
    held_back: Bytes,
    /// Scanned bytes that hyper had read before the connection was parked.
    unparsed: Bytes,
    /// Whether a byte of HTTP has been read.
    has_read: bool,
    /// Responses of HTTP/1 that are sent together with the next ones.
    batch: ResponseBatch,
    /// The close of a WebSocket by the drain, once the connection was upgraded to one.
    websocket: Option<Box<WebSocketEnd>>,
    /// Takes the stream when HTTP has ended and the close has to linger.
    lingering: LingeringStream,
    /// Released when the connection is closed, which may be long after HTTP. Dropped last, after the
    /// stream.
    guard: Arc<ConnectionGuard>,
}

/// The stream of a connection whose HTTP has ended, if the close has to linger.
///
/// The task of the connection shares it with the I/O, because hyper owns the I/O and drops it.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct LingeringStream(Arc<Mutex<Option<Stream>>>);

impl LingeringStream {
    /// Takes the stream, if the close has to linger.
    pub(in crate::server) fn take(&self) -> Option<Stream> {
        lock(&self.0).take()
    }
}

impl TrackedIo {
    pub(in crate::server) fn new(
        stream: Stream,
        state: Arc<ConnectionState>,
        protocol: Protocol,
        guard: Arc<ConnectionGuard>,
        lingering: LingeringStream,
    ) -> Self {
        Self {
            stream: Some(stream),
            state,
            protocol,
            held_back: Bytes::new(),
            unparsed: Bytes::new(),
            has_read: false,
            batch: ResponseBatch::default(),
            websocket: None,
            lingering,
            guard,
        }
    }

    pub(in crate::server) const fn is_tls(&self) -> bool {
        matches!(self.stream, Some(Stream::Right(_)))
    }

    /// Prepares for a new connection of hyper, whose last one has read `unparsed`.
    pub(in crate::server) fn park(&mut self, unparsed: Bytes) {
        if !unparsed.is_empty() {
            self.unparsed = unparsed;
        }
        // Otherwise it is dropped, because it keeps the whole buffer.
        self.has_read = false;
    }

    /// Waits until a connection of hyper has something to read.
    pub(in crate::server) fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_due = !self.unparsed.is_empty() || !self.held_back.is_empty();
        match &mut self.stream {
            Some(Stream::Left(socket)) if !is_due => socket.poll_input(cx),
            Some(Stream::Right(stream)) if !is_due => tls::socket(stream).poll_input(cx),
            _ => Poll::Ready(()),
        }
    }

    /// Keeps the bytes of a response for a later write, if hyper gets the next pipelined request
    /// before it needs more input. Returns false if they must be written now.
    fn keep(&mut self, bufs: &[io::IoSlice<'_>]) -> bool {
        let http1 = self.state.http1();
        // The last response of a batch is added to it, and sent by the flush that follows.
        let is_batch = !self.held_back.is_empty() || !self.batch.is_empty();
        let may_wait = is_batch
            && matches!(self.protocol, Protocol::Http1(_))
            && !http1.must_flush()
            && !self.state.is_upgraded()
            && self.batch.keep(bufs);
        if may_wait {
            http1.set_waiting();
        }
        may_wait
    }

    /// Sends the responses that were kept.
    fn poll_send_batch(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.batch.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        ready!(self.batch.poll_send(Pin::new(stream), cx))?;
        self.state.http1().set_flushed();
        Poll::Ready(Ok(()))
    }

    fn stream(self: Pin<&mut Self>) -> io::Result<Pin<&mut Stream>> {
        let stream = self.get_mut().stream.as_mut();
        Ok(Pin::new(stream.ok_or(io::ErrorKind::NotConnected)?))
    }

    /// Returns the close of a WebSocket and its stream, if the connection is one that the drain
    /// closes.
    fn websocket(&mut self) -> Option<(&mut WebSocketEnd, &mut Stream)> {
        if !self.state.is_websocket() {
            return None;
        }
        let token = self.guard.shutdown_token();
        let end = self
            .websocket
            .get_or_insert_with(|| WebSocketEnd::new(token));
        Some((end, self.stream.as_mut()?))
    }

    /// Reads. Over HTTP/1, the first read of a connection returns one byte.
    ///
    /// hyper needs 8 KiB of free space for each read. It also reads while a request is handled, to
    /// detect a disconnect. A buffer of 8 KiB has no such space while the request holds its head, so
    /// hyper would allocate a buffer for each request. With one byte in it, the buffer is doubled for
    /// the next read, and stays at 16 KiB.
    ///
    /// Measured by callgrind: 14.3 allocations for each request instead of 16.1, and 19,600
    /// instructions instead of 21,300. If a new version of hyper makes this ineffective,
    /// `tests/cost.rs` fails: it compares both figures with `tests/cost.txt`.
    fn read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_read || matches!(self.protocol, Protocol::Http2(_)) || buf.remaining() == 0 {
            return self.stream()?.poll_read(cx, buf);
        }
        let mut first = [0];
        let mut first = ReadBuf::new(&mut first);
        let poll = self.as_mut().stream()?.poll_read(cx, &mut first);
        self.has_read = !first.filled().is_empty();
        buf.put_slice(first.filled());
        poll
    }

    /// Scans bytes that were read. Returns how many of them hyper may have now.
    fn scan(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match &mut self.protocol {
            // After an upgrade the bytes are not HTTP.
            Protocol::Http1(_) if self.state.is_upgraded() => bytes.len(),
            Protocol::Http1(scanner) => scanner
                .scan(bytes, self.state.http1())
                .map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed))?,
            Protocol::Http2(follower) => {
                let (head, count) = follower.frames.follow(bytes);
                self.state.set_head(head);
                count
            }
        };
        self.state.record_read(count);
        Ok(count)
    }

    /// Reads from the bytes that were held back.
    fn read_held_back(&mut self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut bytes = self.held_back.clone();
        bytes.truncate(buf.remaining());
        let count = self.scan(&bytes)?;
        buf.put_slice(&self.held_back.split_to(count));
        Ok(())
    }
}

impl Drop for TrackedIo {
    fn drop(&mut self) {
        if !self.batch.is_empty()
            && let Some(stream) = &mut self.stream
        {
            // After an error, hyper drops the I/O without a flush. The socket gets what it has space for,
            // as if each response had been written at once.
            let (mut stream, mut cx) = (Pin::new(stream), Context::from_waker(Waker::noop()));
            if self.batch.poll_send(stream.as_mut(), &mut cx).is_ready() {
                let _ = stream.poll_flush(&mut cx);
            }
        }
        if self.state.may_linger() {
            *lock(&self.lingering.0) = self.stream.take();
        }
    }
}

impl AsyncRead for TrackedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Protocol::Http2(follower) = &mut self.protocol {
            ready!(follower.poll_turn(cx));
        }
        if let Some((end, stream)) = self.websocket()
            && end.poll_ended(cx, stream)
        {
            return Poll::Ready(Ok(()));
        }
        if !self.unparsed.is_empty() {
            let count = self.unparsed.len().min(buf.remaining());
            buf.put_slice(&self.unparsed.split_to(count));
            return Poll::Ready(Ok(()));
        }
        if !self.held_back.is_empty() {
            return Poll::Ready(self.read_held_back(buf));
        }
        let before = buf.filled().len();
        let poll = self.as_mut().read(cx, buf);
        let bytes = &buf.filled()[before..];
        if bytes.is_empty() {
            if let Protocol::Http2(follower) = &mut self.protocol {
                follower.frames.begin_turn();
            }
            return poll;
        }
        let count = self.scan(bytes)?;
        if count < bytes.len() {
            self.held_back = Bytes::copy_from_slice(&bytes[count..]);
            buf.set_filled(before + count);
        }
        poll
    }
}

impl AsyncWrite for TrackedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.keep(&[io::IoSlice::new(buf)]) {
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(self.poll_send_batch(cx))?;
        let Some((end, stream)) = self.websocket() else {
            let poll = self.as_mut().stream()?.poll_write(cx, buf);
            if let (Protocol::Http2(follower), Poll::Ready(Ok(count))) = (&mut self.protocol, &poll)
            {
                follower.sent([buf], *count);
            }
            return poll;
        };
        end.poll_write(cx, stream, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_kept = !self.batch.is_empty() && !self.held_back.is_empty();
        if is_kept && !self.state.http1().must_flush() {
            // The next response may follow at once. If it does not, the task of the connection begins
            // a flush.
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_send_batch(cx))?;
        match self.websocket() {
            Some((end, stream)) => end.poll_flush(cx, stream),
            None => self.stream()?.poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_batch(cx))?;
        self.stream()?.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.keep(bufs) {
            let length = bufs.iter().map(|buf| buf.len()).sum();
            return Poll::Ready(Ok(length));
        }
        ready!(self.poll_send_batch(cx))?;
        if self.state.is_websocket() {
            // Only the first buffer that is not empty, because frames are tracked in one buffer.
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        let poll = self.as_mut().stream()?.poll_write_vectored(cx, bufs);
        if let (Protocol::Http2(follower), Poll::Ready(Ok(count))) = (&mut self.protocol, &poll) {
            follower.sent(bufs.iter().map(|buf| &**buf), *count);
        }
        poll
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_write_vectored)
    }
}
