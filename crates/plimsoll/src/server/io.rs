//! The I/O of a connection, tracked above and below TLS.
//!
//! ```text
//! HTTP ─▶ TrackedIo: bytes of HTTP that are read ─▶ (TLS) ─▶ SocketIo: bytes that are written ─▶ Socket
//! ```
//!
//! The bytes that a client sends are HTTP only above TLS. Whether the client accepts bytes is visible
//! only below TLS, where nothing is buffered.

use std::{
    io::{self, Read},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::either::Either;

use super::{
    guard::ConnectionGuard, http1::MessageScanner, http2::FrameFollower, socket::Socket,
    tls::TlsStream, websocket::WebSocketEnd,
};
use crate::{
    connection::ConnectionState,
    sync::{Mutex, lock},
};

/// The name of HTTP/2 in a TLS handshake (RFC 9113, 3.2).
#[cfg(feature = "tls")]
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";

/// A socket that records in the connection state whether its client accepts bytes.
#[derive(Debug)]
pub(super) struct SocketIo {
    socket: Socket,
    /// Bytes for the next layer that were read too early, such as after a PROXY header.
    read_ahead: Bytes,
    state: Arc<ConnectionState>,
}

impl SocketIo {
    pub(super) fn new(socket: Socket, read_ahead: Bytes, state: Arc<ConnectionState>) -> Self {
        Self {
            socket,
            read_ahead,
            state,
        }
    }

    /// Puts bytes back, so that they are read again.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        self.read_ahead = [bytes, &self.read_ahead].concat().into();
    }

    /// Records the result of a write.
    fn record_write(&self, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &poll {
            Poll::Ready(Ok(_)) => self.state.record_write(true),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.state.record_write(false),
        }
        poll
    }
}

impl AsyncRead for SocketIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let mut poll = Poll::Ready(Ok(()));
        if self.read_ahead.is_empty() {
            poll = Pin::new(&mut self.socket).poll_read(cx, buf);
            if poll.is_pending() && self.state.is_closing() {
                // The reactor reports only bytes that had arrived when it was last polled.
                poll = read_unreported(&self.socket, buf);
            }
        } else {
            let count = self.read_ahead.len().min(buf.remaining());
            buf.put_slice(&self.read_ahead.split_to(count));
        }
        if !self.state.has_sent_bytes() && buf.filled().len() > before {
            self.state.set_sent_bytes();
        }
        poll
    }
}

impl AsyncWrite for SocketIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.record_write(poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathered = [0; MAX_GATHERED];
        let poll = match gather(bufs, &mut gathered) {
            Some(bytes) => Pin::new(&mut self.socket).poll_write(cx, bytes),
            None => Pin::new(&mut self.socket).poll_write_vectored(cx, bufs),
        };
        self.record_write(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

/// Reads bytes that the reactor has not reported. The caller has registered the waker.
fn read_unreported(socket: &Socket, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    let socket = match socket {
        Socket::Left(socket) => SockRef::from(socket),
        Socket::Right(socket) => SockRef::from(socket),
    };
    match (&*socket).read(buf.initialize_unfilled()) {
        Ok(count) => {
            buf.advance(count);
            Poll::Ready(Ok(()))
        }
        // The next read returns the error.
        Err(_) => Poll::Pending,
    }
}

/// The size up to which a head and its body are copied into one buffer and sent with one `send`.
///
/// `writev` of two buffers, of 580 bytes together, takes 60 to 110 ns more CPU time (of 1.8 to 2.6 µs,
/// TCP over loopback). The number of system calls is the same, so `tests/cost.rs`, which counts
/// instructions outside of the kernel, does not show the gain.
const MAX_GATHERED: usize = 1024;

/// Copies the buffers into one, if they fit.
fn gather<'a>(bufs: &[io::IoSlice<'_>], gathered: &'a mut [u8; MAX_GATHERED]) -> Option<&'a [u8]> {
    let mut length = 0;
    for buf in bufs {
        gathered
            .get_mut(length..length + buf.len())?
            .copy_from_slice(buf);
        length += buf.len();
    }
    Some(&gathered[..length])
}

/// The stream below HTTP: the socket, or TLS on it.
pub(super) type Stream = Either<SocketIo, TlsStream>;

/// The scanner for the bytes of a client.
#[derive(Debug)]
pub(super) enum Protocol {
    Http1(MessageScanner),
    Http2(Box<FrameFollower>),
}

/// A stream that records in the connection state when bytes of HTTP arrive.
#[derive(Debug)]
pub(super) struct TrackedIo {
    /// `Some` until the drop.
    stream: Option<Stream>,
    state: Arc<ConnectionState>,
    protocol: Protocol,
    /// Bytes that hyper must not read yet: those after a head whose framing is unknown, or after the
    /// frames of one turn.
    held_back: Bytes,
    /// Whether a byte of HTTP has been read.
    has_read: bool,
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
pub(super) struct LingeringStream(Arc<Mutex<Option<Stream>>>);

impl LingeringStream {
    /// Takes the stream, if the close has to linger.
    pub(super) fn take(&self) -> Option<Stream> {
        lock(&self.0).take()
    }
}

impl TrackedIo {
    pub(super) fn new(
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
            has_read: false,
            websocket: None,
            lingering,
            guard,
        }
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
        match self.websocket() {
            Some((end, stream)) => end.poll_flush(cx, stream),
            None => self.stream()?.poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io::Write, os::unix::net::UnixStream as StdStream};

    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn closing_connection_reads_unreported_bytes() {
        let (mut client, server) = StdStream::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        let state = Arc::new(ConnectionState::new());
        let socket = Socket::Right(UnixStream::from_std(server).unwrap());
        let mut io = SocketIo::new(socket, Bytes::new(), Arc::clone(&state));
        let mut bytes = [0; 8];
        // All of it happens within one poll, during which the reactor is not polled.
        let count = poll_fn(|cx| {
            let mut buf = ReadBuf::new(&mut bytes);
            assert!(Pin::new(&mut io).poll_read(cx, &mut buf).is_pending());
            client.write_all(b"GET").unwrap();
            assert!(Pin::new(&mut io).poll_read(cx, &mut buf).is_pending());
            state.set_closing();
            assert!(Pin::new(&mut io).poll_read(cx, &mut buf).is_ready());
            Poll::Ready(buf.filled().len())
        })
        .await;
        assert_eq!(&bytes[..count], b"GET");
    }
}
