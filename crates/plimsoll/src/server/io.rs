//! What a connection reads from and writes to, watched on both of its levels.
//!
//! ```text
//! HTTP ─▶ Watched: bytes of heads ─▶ (TLS) ─▶ Raw: bytes that the client takes ─▶ Socket
//! ```
//!
//! What a client sends is HTTP only above TLS; whether it takes what is sent shows only below, where
//! nothing is buffered any more.

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

/// A socket that tells whether its client takes what is sent.
#[derive(Debug)]
pub(super) struct SocketIo {
    socket: Socket,
    /// What was read behind a PROXY header and belongs to the next layer.
    ahead: Bytes,
    state: Arc<ConnectionState>,
    /// No byte has come.
    is_silent: bool,
}

impl SocketIo {
    pub(super) fn new(socket: Socket, ahead: Bytes, state: Arc<ConnectionState>) -> Self {
        Self {
            socket,
            ahead,
            state,
            is_silent: true,
        }
    }

    /// Puts back what was read.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        // The common case by far is that nothing was left over before.
        self.ahead = [bytes, &self.ahead].concat().into();
    }

    fn told(&self, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
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
        if self.ahead.is_empty() {
            poll = Pin::new(&mut self.socket).poll_read(cx, buf);
            if poll.is_pending() && self.state.is_closing() {
                // The reactor may know only of what had come when it last had a turn.
                poll = read_unreported(&self.socket, buf);
            }
        } else {
            let count = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead.split_to(count));
        }
        if self.is_silent && buf.filled().len() > before {
            self.is_silent = false;
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
        self.told(poll)
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
        let mut small = [0; SMALL];
        let poll = match gather(bufs, &mut small) {
            Some(bytes) => Pin::new(&mut self.socket).poll_write(cx, bytes),
            None => Pin::new(&mut self.socket).poll_write_vectored(cx, bufs),
        };
        self.told(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

/// Reads what has come and was not reported yet; the waker is registered.
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
        // An error is reported to the next read.
        Err(_) => Poll::Pending,
    }
}

/// Up to this size a head and its body are copied into one piece: the kernel takes a single buffer
/// with less ado than several.
const SMALL: usize = 1024;

/// The buffers as one piece, if that is small.
fn gather<'a>(bufs: &[io::IoSlice<'_>], small: &'a mut [u8; SMALL]) -> Option<&'a [u8]> {
    let mut length = 0;
    for buf in bufs {
        small
            .get_mut(length..length + buf.len())?
            .copy_from_slice(buf);
        length += buf.len();
    }
    Some(&small[..length])
}

/// What HTTP is spoken over: the socket as it is, or TLS on it.
pub(super) type Stream = Either<SocketIo, TlsStream>;

/// What follows the bytes of a client.
#[derive(Debug)]
pub(super) enum Protocol {
    Http1(MessageScanner),
    Http2(Box<FrameFollower>),
}

/// A stream that tells its connection when bytes of HTTP come.
#[derive(Debug)]
pub(super) struct TrackedIo {
    /// There until the drop.
    stream: Option<Stream>,
    state: Arc<ConnectionState>,
    protocol: Protocol,
    /// What was read behind the end of a head, whose framing was not known yet, or behind the frames
    /// of one turn.
    held_back: Bytes,
    /// Nothing has been read yet.
    is_new: bool,
    /// Of a WebSocket that the drain ends.
    websocket: Option<Box<WebSocketEnd>>,
    /// Takes the stream when HTTP has ended and the close has to linger.
    lingering: LingeringStream,
    /// Released when the connection is closed, which may be long after HTTP. Dropped last, after the
    /// stream.
    guard: Arc<ConnectionGuard>,
}

/// The stream of a connection whose HTTP has ended, if the close has to linger.
///
/// The task of the connection and its I/O share it: hyper owns the I/O and drops it.
#[derive(Debug, Clone, Default)]
pub(super) struct LingeringStream(Arc<Mutex<Option<Stream>>>);

impl LingeringStream {
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
            is_new: true,
            websocket: None,
            lingering,
            guard,
        }
    }
}

impl TrackedIo {
    fn stream(self: Pin<&mut Self>) -> io::Result<Pin<&mut Stream>> {
        let stream = self.get_mut().stream.as_mut();
        Ok(Pin::new(stream.ok_or(io::ErrorKind::NotConnected)?))
    }

    /// The end of the WebSocket that this is, and its stream.
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

    /// Reads; over HTTP/1 the first byte of all by itself.
    ///
    /// hyper makes room for 8 KiB at each read, and reads on while a request is handled, to see its
    /// client go. In a buffer of 8 KiB that room is never there as long as the request holds its head,
    /// so there would be a new one with each request. With one byte in it, the buffer is doubled for
    /// the next read, and stays so.
    fn read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_new || matches!(self.protocol, Protocol::Http2(_)) || buf.remaining() == 0 {
            return self.stream()?.poll_read(cx, buf);
        }
        let mut first = [0];
        let mut first = ReadBuf::new(&mut first);
        let poll = self.as_mut().stream()?.poll_read(cx, &mut first);
        self.is_new = first.filled().is_empty();
        buf.put_slice(first.filled());
        poll
    }

    /// Returns how many of the bytes that came HTTP may have now.
    fn follow(&mut self, came: &[u8]) -> io::Result<usize> {
        let count = match &mut self.protocol {
            // Behind an upgrade there is no HTTP to follow.
            Protocol::Http1(_) if self.state.is_upgraded() => came.len(),
            Protocol::Http1(scanner) => scanner
                .scan(came, self.state.http1())
                .map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed))?,
            Protocol::Http2(follower) => {
                let (head, count) = follower.frames.see(came);
                self.state.set_head(head);
                count
            }
        };
        self.state.record_read(count);
        Ok(count)
    }

    /// Reads what was held back before.
    fn read_held_back(&mut self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut bytes = self.held_back.clone();
        bytes.truncate(buf.remaining());
        let count = self.follow(&bytes)?;
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
        let came = &buf.filled()[before..];
        if came.is_empty() {
            if let Protocol::Http2(follower) = &mut self.protocol {
                follower.frames.begin_turn();
            }
            return poll;
        }
        let count = self.follow(came)?;
        if count < came.len() {
            self.held_back = Bytes::copy_from_slice(&came[count..]);
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
            // The first that has something: frames are followed in one piece.
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
    async fn closing_connection_reads_what_is_not_reported() {
        let (mut client, ours) = StdStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let state = Arc::new(ConnectionState::new());
        let socket = Socket::Right(UnixStream::from_std(ours).unwrap());
        let mut raw = SocketIo::new(socket, Bytes::new(), Arc::clone(&state));
        let mut bytes = [0; 8];
        // All within one poll, in which the reactor has no turn.
        let count = poll_fn(|cx| {
            let mut buf = ReadBuf::new(&mut bytes);
            assert!(Pin::new(&mut raw).poll_read(cx, &mut buf).is_pending());
            client.write_all(b"GET").unwrap();
            assert!(Pin::new(&mut raw).poll_read(cx, &mut buf).is_pending());
            state.set_closing();
            assert!(Pin::new(&mut raw).poll_read(cx, &mut buf).is_ready());
            Poll::Ready(buf.filled().len())
        })
        .await;
        assert_eq!(&bytes[..count], b"GET");
    }
}
