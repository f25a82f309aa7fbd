//! WebSockets that no code closes when the service ends.
//!
//! Over HTTP/1 the stream is the connection, over HTTP/2 one of its streams (`http2/tunnel.rs`).
//!
//! A handler that knows nothing of the shutdown reads until its client closes. When the drain has
//! begun, and code that waits for the shutdown token has had its turn, the connection itself closes the
//! WebSocket: a Close frame with status 1001 between two frames of the handler (RFC 6455, 5.5.1), a
//! second for the client's answer, which the handler reads as usual, then the end of the stream.
//!
//! What the handler writes behind the Close frame is thrown away, as the protocol demands.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::AsyncWrite,
    time::{Instant, Sleep, sleep},
};

use crate::shutdown::{CLOSE_ANSWER, ShutdownFuture, ShutdownToken};

/// A Close frame of a server: no mask, two bytes of payload, status 1001.
const CLOSE_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xE9];

const OPCODE_CLOSE: u8 = 8;

/// The end of one WebSocket.
pub(super) struct WebSocketEnd {
    token: ShutdownToken,
    /// Wakes the task that reads.
    reader: ShutdownFuture,
    /// Wakes the task that writes, if there is one of its own.
    writer: Option<ShutdownFuture>,
    /// Ends a write that waits for the client; there once one has.
    give_up: Option<ShutdownFuture>,
    sent: FrameTracker,
    stage: CloseStage,
}

enum CloseStage {
    Open,
    /// These bytes of the Close frame are to be written.
    Closing(usize, Pin<Box<Sleep>>),
    /// The Close frame is out, ours or the handler's.
    Closed(Pin<Box<Sleep>>),
    Over,
}

impl WebSocketEnd {
    /// Of a stream that begins with the head of a 101.
    pub(super) fn new(token: &ShutdownToken) -> Box<Self> {
        Self::following(FrameTracker::new(), token)
    }

    /// Of a stream that begins with a frame.
    pub(super) fn behind_the_head(token: &ShutdownToken) -> Box<Self> {
        Self::following(FrameTracker::behind_the_head(), token)
    }

    fn following(sent: FrameTracker, token: &ShutdownToken) -> Box<Self> {
        Box::new(Self {
            token: token.clone(),
            reader: Box::pin(token.overdue()),
            writer: None,
            give_up: None,
            sent,
            stage: CloseStage::Open,
        })
    }

    /// To be asked before each read. Returns whether the stream has ended.
    pub(super) fn poll_ended(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> bool {
        if matches!(self.stage, CloseStage::Open) && self.reader.as_mut().poll(cx).is_ready() {
            self.begin();
        }
        let failed = matches!(self.poll_close(cx, stream), Poll::Ready(Err(_)));
        let late = match &mut self.stage {
            CloseStage::Closing(_, answer) | CloseStage::Closed(answer) => {
                answer.as_mut().poll(cx).is_ready()
            }
            CloseStage::Open | CloseStage::Over => false,
        };
        if failed || late {
            self.stage = CloseStage::Over;
        }
        matches!(self.stage, CloseStage::Over)
    }

    /// Writes for the handler. A client that takes nothing is not waited for longer than for its answer.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let may_write = match self.poll_may_write(cx, stream) {
            Poll::Ready(may_write) => may_write?,
            Poll::Pending => return self.poll_give_up(cx).map(Err),
        };
        if may_write == WritePermission::Discard {
            return Poll::Ready(Ok(buf.len()));
        }
        let Poll::Ready(count) = Pin::new(stream).poll_write(cx, buf) else {
            return self.poll_give_up(cx).map(Err);
        };
        let count = count?;
        self.sent.see(&buf[..count]);
        Poll::Ready(Ok(count))
    }

    /// Flushes for the handler, and waits as [`WebSocketEnd::poll_write`] does. If the handler's frame
    /// is complete, the Close frame follows it.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        let flushed = match self.poll_close(cx, stream) {
            Poll::Ready(Ok(())) => Pin::new(stream).poll_flush(cx),
            closed => closed,
        };
        match flushed {
            Poll::Ready(flushed) => Poll::Ready(flushed),
            Poll::Pending => self.poll_give_up(cx).map(Err),
        }
    }

    /// A write is pending: no other event may ever wake its task.
    fn poll_give_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let token = &self.token;
        let give_up = self.give_up.get_or_insert_with(|| {
            let overdue = token.overdue();
            Box::pin(async move {
                overdue.await;
                sleep(CLOSE_ANSWER).await;
            })
        });
        ready!(give_up.as_mut().poll(cx));
        self.stage = CloseStage::Over;
        Poll::Ready(io::ErrorKind::BrokenPipe.into())
    }

    /// Whether the handler may write. Pending while the Close frame is being written.
    fn poll_may_write(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<WritePermission>> {
        if matches!(self.stage, CloseStage::Open) && self.token.is_cancelled() {
            let token = &self.token;
            let writer = self.writer.get_or_insert_with(|| Box::pin(token.overdue()));
            if writer.as_mut().poll(cx).is_ready() {
                self.begin();
            }
        }
        ready!(self.poll_close(cx, stream))?;
        // Only a look at the clock: the timer wakes the task that reads.
        if let CloseStage::Closed(answer) = &self.stage
            && answer.deadline() <= Instant::now()
        {
            self.stage = CloseStage::Over;
        }
        Poll::Ready(Ok(match self.stage {
            CloseStage::Open | CloseStage::Closing(..) => WritePermission::Yes,
            CloseStage::Closed(_) => WritePermission::Discard,
            CloseStage::Over => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }))
    }

    fn begin(&mut self) {
        let answer = Box::pin(sleep(CLOSE_ANSWER));
        self.stage = if self.sent.has_closed {
            CloseStage::Closed(answer)
        } else {
            CloseStage::Closing(0, answer)
        };
    }

    /// Writes the Close frame as soon as the frame before it is complete.
    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        let CloseStage::Closing(written, _) = &mut self.stage else {
            return Poll::Ready(Ok(()));
        };
        if *written == 0 && !self.sent.is_between_frames() {
            return Poll::Ready(Ok(()));
        }
        while *written < CLOSE_AWAY.len() {
            let rest = &CLOSE_AWAY[*written..];
            let count = ready!(Pin::new(&mut *stream).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += count;
        }
        ready!(Pin::new(stream).poll_flush(cx))?;
        if let CloseStage::Closing(_, answer) = std::mem::replace(&mut self.stage, CloseStage::Over)
        {
            self.stage = CloseStage::Closed(answer);
        }
        Poll::Ready(Ok(()))
    }
}

/// What becomes of bytes that the handler writes.
#[derive(Debug, PartialEq, Eq)]
enum WritePermission {
    Yes,
    Discard,
}

impl fmt::Debug for WebSocketEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketEnd")
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

/// Follows the frames that a server writes behind its 101 (RFC 6455, 5.2).
#[derive(Debug)]
struct FrameTracker {
    at: FramePosition,
    has_closed: bool,
}

#[derive(Debug)]
enum FramePosition {
    /// Nothing has been written yet.
    Start,
    /// In the head of the 101; so many bytes of its end have come.
    Head(usize),
    /// In a frame's header, of which these bytes have come.
    Header([u8; 10], usize),
    /// In a payload that has so many bytes left.
    Payload(u64),
    /// The first bytes were those of another answer.
    Unknown,
}

impl FrameTracker {
    const fn new() -> Self {
        Self {
            at: FramePosition::Start,
            has_closed: false,
        }
    }

    const fn behind_the_head() -> Self {
        Self {
            at: FramePosition::Header([0; 10], 0),
            has_closed: false,
        }
    }

    const fn is_between_frames(&self) -> bool {
        matches!(self.at, FramePosition::Header(_, 0))
    }

    fn see(&mut self, mut bytes: &[u8]) {
        const HEAD_END: &[u8; 4] = b"\r\n\r\n";
        while let Some((&byte, rest)) = bytes.split_first() {
            match &mut self.at {
                FramePosition::Start => {
                    let is_switch = bytes.starts_with(b"HTTP/1.1 101 ");
                    self.at = if is_switch {
                        FramePosition::Head(0)
                    } else {
                        FramePosition::Unknown
                    };
                    continue;
                }
                FramePosition::Head(matched) => {
                    *matched = match byte {
                        _ if byte == HEAD_END[*matched] => *matched + 1,
                        b'\r' => 1,
                        _ => 0,
                    };
                    if *matched == HEAD_END.len() {
                        self.at = FramePosition::Header([0; 10], 0);
                    }
                    bytes = rest;
                }
                FramePosition::Header(header, have) => {
                    header[*have] = byte;
                    *have += 1;
                    if let Some(payload) = payload_length(&header[..*have]) {
                        self.has_closed |= header[0] & 0x0F == OPCODE_CLOSE;
                        self.at = FramePosition::Payload(payload);
                        self.skip_empty();
                    }
                    bytes = rest;
                }
                FramePosition::Payload(left) => {
                    let count =
                        usize::try_from(*left).map_or(bytes.len(), |it| it.min(bytes.len()));
                    *left -= count as u64;
                    bytes = &bytes[count..];
                    self.skip_empty();
                }
                FramePosition::Unknown => return,
            }
        }
    }

    fn skip_empty(&mut self) {
        if matches!(self.at, FramePosition::Payload(0)) {
            self.at = FramePosition::Header([0; 10], 0);
        }
    }
}

/// The length of a payload, once the header before it is complete. A server masks nothing.
fn payload_length(header: &[u8]) -> Option<u64> {
    let length = header.get(1)? & 0x7F;
    match length {
        126 => Some(u16::from_be_bytes(header.get(2..4)?.try_into().ok()?).into()),
        127 => Some(u64::from_be_bytes(header.get(2..10)?.try_into().ok()?)),
        _ => Some(length.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::Arc, time::Duration};

    use proptest::prelude::*;

    use super::*;
    use crate::lifecycle::{ConnectionTracker, DrainStage};

    const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";

    fn frame(opcode: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match length {
            0..=125 => frame.push(u8::try_from(length).unwrap()),
            126..=0xFFFF => {
                frame.push(126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.resize(frame.len() + length, 0x88);
        frame
    }

    #[test]
    fn answer_before_the_switch_makes_frames_unknown() {
        let mut tracker = FrameTracker::new();
        tracker.see(b"HTTP/1.1 200 OK\r\n\r\n");
        tracker.see(SWITCH);
        assert!(!tracker.is_between_frames());
    }

    #[test]
    fn close_frame_of_the_handler_is_seen() {
        let mut tracker = FrameTracker::new();
        tracker.see(SWITCH);
        tracker.see(&frame(1, 300));
        assert!(tracker.is_between_frames() && !tracker.has_closed);
        tracker.see(&frame(OPCODE_CLOSE, 2));
        assert!(tracker.is_between_frames() && tracker.has_closed);
    }

    #[tokio::test(start_paused = true)]
    async fn flush_writes_close_frame_behind_the_last_frame() {
        let connections = Arc::new(ConnectionTracker::new());
        let token = ShutdownToken::new(Arc::clone(&connections), Duration::from_secs(5));
        let mut end = WebSocketEnd::behind_the_head(&token);
        let mut client = Vec::new();
        let frame = frame(2, 4);
        let (first, rest) = frame.split_at(3);
        let write = poll_fn(|cx| end.poll_write(cx, &mut client, first));
        assert_eq!(write.await.unwrap(), first.len());
        connections.enter_stage(DrainStage::Draining);
        token.overdue().await;
        assert!(!poll_fn(|cx| Poll::Ready(end.poll_ended(cx, &mut client))).await);
        let write = poll_fn(|cx| end.poll_write(cx, &mut client, rest));
        assert_eq!(write.await.unwrap(), rest.len());
        poll_fn(|cx| end.poll_flush(cx, &mut client)).await.unwrap();
        assert_eq!(client, [&frame[..], &CLOSE_AWAY].concat());
    }

    proptest! {
        #[test]
        fn frames_end_where_they_end(
            lengths in proptest::collection::vec(prop_oneof![0_usize..130, 65_530_usize..65_540], 1..5),
            pieces in proptest::collection::vec(1_usize..70_000, 1..20),
        ) {
            let mut bytes = SWITCH.to_vec();
            let mut ends = vec![bytes.len()];
            for length in lengths {
                bytes.extend(frame(2, length));
                ends.push(bytes.len());
            }
            let mut tracker = FrameTracker::new();
            // Whatever the first piece is, it has the status line.
            let (mut at, mut pieces) = (20, pieces.into_iter());
            tracker.see(&bytes[..at]);
            while at < bytes.len() {
                let end = (at + pieces.next().unwrap_or(usize::MAX - at)).min(bytes.len());
                tracker.see(&bytes[at..end]);
                at = end;
                prop_assert_eq!(tracker.is_between_frames(), ends.contains(&at));
            }
            prop_assert!(!tracker.has_closed);
        }
    }
}
