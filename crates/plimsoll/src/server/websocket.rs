//! The close of WebSockets in the drain, for handlers that do not close them.
//!
//! Over HTTP/1 the stream is the connection, over HTTP/2 one of its streams (`http2/tunnel.rs`).
//!
//! A handler that ignores the shutdown reads until its client closes. In the drain, handlers that wait
//! for the shutdown token may close first. Then the server closes the WebSocket:
//!
//! 1. It sends a Close frame with status 1001 between two frames of the handler (RFC 6455, 5.5.1).
//! 2. It waits 1 s for the answer of the client, which the handler reads as usual.
//! 3. It ends the stream.
//!
//! Bytes that the handler writes after the Close frame are discarded, as the protocol requires.

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

/// A Close frame of a server: no mask, two bytes of payload, status 1001 (going away).
const CLOSE_FRAME: [u8; 4] = [0x88, 2, 0x03, 0xE9];

const OPCODE_CLOSE: u8 = 8;

/// Closes one WebSocket in the drain.
pub(super) struct WebSocketEnd {
    token: ShutdownToken,
    /// The start of the close, which wakes the task that reads.
    reader: ShutdownFuture,
    /// The start of the close, which wakes the task that writes. `Some` after a write in the drain.
    writer: Option<ShutdownFuture>,
    /// The deadline of a write that waits for the client. `Some` after a pending write.
    write_deadline: Option<ShutdownFuture>,
    sent: FrameTracker,
    stage: CloseStage,
}

enum CloseStage {
    Open,
    /// The Close frame is being written, of which this many bytes are sent.
    Closing(usize, Pin<Box<Sleep>>),
    /// A Close frame of the server or of the handler is sent.
    Closed(Pin<Box<Sleep>>),
    Ended,
}

impl WebSocketEnd {
    /// For a stream that begins with the head of a 101.
    pub(super) fn new(token: &ShutdownToken) -> Box<Self> {
        Self::with_tracker(FrameTracker::new(), token)
    }

    /// For a stream that begins with a frame.
    pub(super) fn after_head(token: &ShutdownToken) -> Box<Self> {
        Self::with_tracker(FrameTracker::after_head(), token)
    }

    fn with_tracker(sent: FrameTracker, token: &ShutdownToken) -> Box<Self> {
        Box::new(Self {
            token: token.clone(),
            reader: Box::pin(token.overdue()),
            writer: None,
            write_deadline: None,
            sent,
            stage: CloseStage::Open,
        })
    }

    /// Advances the close. To be called before each read. Returns true if the stream has ended.
    pub(super) fn poll_ended(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> bool {
        if matches!(self.stage, CloseStage::Open) && self.reader.as_mut().poll(cx).is_ready() {
            self.begin_close();
        }
        let failed = matches!(self.poll_close(cx, stream), Poll::Ready(Err(_)));
        let late = match &mut self.stage {
            CloseStage::Closing(_, answer) | CloseStage::Closed(answer) => {
                answer.as_mut().poll(cx).is_ready()
            }
            CloseStage::Open | CloseStage::Ended => false,
        };
        if failed || late {
            self.stage = CloseStage::Ended;
        }
        matches!(self.stage, CloseStage::Ended)
    }

    /// Writes bytes of the handler. In the drain, a pending write fails after the time for an answer.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let may_write = match self.poll_may_write(cx, stream) {
            Poll::Ready(may_write) => may_write?,
            Poll::Pending => return self.poll_write_deadline(cx).map(Err),
        };
        if may_write == WritePermission::Discard {
            return Poll::Ready(Ok(buf.len()));
        }
        let Poll::Ready(count) = Pin::new(stream).poll_write(cx, buf) else {
            return self.poll_write_deadline(cx).map(Err);
        };
        let count = count?;
        self.sent.follow(&buf[..count]);
        Poll::Ready(Ok(count))
    }

    /// Flushes bytes of the handler, with the deadline of [`WebSocketEnd::poll_write`]. If the frame
    /// of the handler is complete, the Close frame is sent after it.
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
            Poll::Pending => self.poll_write_deadline(cx).map(Err),
        }
    }

    /// Polls the deadline of a pending write. Without it, nothing might ever wake the task.
    fn poll_write_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let token = &self.token;
        let deadline = self.write_deadline.get_or_insert_with(|| {
            let overdue = token.overdue();
            Box::pin(async move {
                overdue.await;
                sleep(CLOSE_ANSWER).await;
            })
        });
        ready!(deadline.as_mut().poll(cx));
        self.stage = CloseStage::Ended;
        Poll::Ready(io::ErrorKind::BrokenPipe.into())
    }

    /// Returns what happens to bytes of the handler. Pending while the Close frame is being written.
    fn poll_may_write(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<WritePermission>> {
        if matches!(self.stage, CloseStage::Open) && self.token.is_cancelled() {
            let token = &self.token;
            let writer = self.writer.get_or_insert_with(|| Box::pin(token.overdue()));
            if writer.as_mut().poll(cx).is_ready() {
                self.begin_close();
            }
        }
        ready!(self.poll_close(cx, stream))?;
        // The timer is not polled here, because it wakes the task that reads.
        if let CloseStage::Closed(answer) = &self.stage
            && answer.deadline() <= Instant::now()
        {
            self.stage = CloseStage::Ended;
        }
        Poll::Ready(Ok(match self.stage {
            CloseStage::Open | CloseStage::Closing(..) => WritePermission::Yes,
            CloseStage::Closed(_) => WritePermission::Discard,
            CloseStage::Ended => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }))
    }

    fn begin_close(&mut self) {
        let answer = Box::pin(sleep(CLOSE_ANSWER));
        self.stage = if self.sent.has_closed {
            CloseStage::Closed(answer)
        } else {
            CloseStage::Closing(0, answer)
        };
    }

    /// Writes the Close frame when the frame before it is complete.
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
        while *written < CLOSE_FRAME.len() {
            let rest = &CLOSE_FRAME[*written..];
            let count = ready!(Pin::new(&mut *stream).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += count;
        }
        ready!(Pin::new(stream).poll_flush(cx))?;
        if let CloseStage::Closing(_, answer) =
            std::mem::replace(&mut self.stage, CloseStage::Ended)
        {
            self.stage = CloseStage::Closed(answer);
        }
        Poll::Ready(Ok(()))
    }
}

/// What happens to bytes that the handler writes.
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

/// Follows the frames that a server writes after its 101 (RFC 6455, 5.2).
#[derive(Debug)]
struct FrameTracker {
    at: FramePosition,
    /// Whether the handler has written a Close frame.
    has_closed: bool,
}

#[derive(Debug)]
enum FramePosition {
    /// Nothing has been written yet.
    Start,
    /// In the head of the 101, of whose last line end this many bytes are written.
    Head(usize),
    /// In the header of a frame, of which this many bytes are written.
    Header([u8; 10], usize),
    /// In a payload, of which this many bytes are missing.
    Payload(u64),
    /// After the head of another response.
    Unknown,
}

impl FrameTracker {
    const fn new() -> Self {
        Self {
            at: FramePosition::Start,
            has_closed: false,
        }
    }

    const fn after_head() -> Self {
        Self {
            at: FramePosition::Header([0; 10], 0),
            has_closed: false,
        }
    }

    const fn is_between_frames(&self) -> bool {
        matches!(self.at, FramePosition::Header(_, 0))
    }

    fn follow(&mut self, mut bytes: &[u8]) {
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
                FramePosition::Header(header, length) => {
                    header[*length] = byte;
                    *length += 1;
                    if let Some(payload) = payload_length(&header[..*length]) {
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

/// Returns the length of a payload, if the header before it is complete. A server sets no mask.
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

    /// LIFE-9
    #[test]
    fn other_response_makes_frames_unknown() {
        let mut tracker = FrameTracker::new();
        tracker.follow(b"HTTP/1.1 200 OK\r\n\r\n");
        tracker.follow(SWITCH);
        assert!(!tracker.is_between_frames());
    }

    /// LIFE-9
    #[test]
    fn close_frame_of_handler_is_detected() {
        let mut tracker = FrameTracker::new();
        tracker.follow(SWITCH);
        tracker.follow(&frame(1, 300));
        assert!(tracker.is_between_frames() && !tracker.has_closed);
        tracker.follow(&frame(OPCODE_CLOSE, 2));
        assert!(tracker.is_between_frames() && tracker.has_closed);
    }

    #[tokio::test(start_paused = true)]
    async fn flush_writes_close_frame_after_last_frame() {
        let connections = Arc::new(ConnectionTracker::new());
        let token = ShutdownToken::new(Arc::clone(&connections), Duration::from_secs(5));
        let mut end = WebSocketEnd::after_head(&token);
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
        assert_eq!(client, [&frame[..], &CLOSE_FRAME].concat());
    }

    proptest! {
        /// LIFE-9
        #[test]
        fn frame_ends_do_not_depend_on_write_boundaries(
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
            // The first piece always contains the status line.
            let (mut at, mut pieces) = (20, pieces.into_iter());
            tracker.follow(&bytes[..at]);
            while at < bytes.len() {
                let end = (at + pieces.next().unwrap_or(usize::MAX - at)).min(bytes.len());
                tracker.follow(&bytes[at..end]);
                at = end;
                prop_assert_eq!(tracker.is_between_frames(), ends.contains(&at));
            }
            prop_assert!(!tracker.has_closed);
        }
    }
}
