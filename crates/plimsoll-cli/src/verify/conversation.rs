//! Frames of HTTP/2 within a probe.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout},
};

use crate::wire::{DATA, Frame, Frames, SETTINGS};

/// What a service has sent over a connection of HTTP/2.
#[derive(Debug, Clone, Default)]
pub(super) struct Conversation {
    /// The purpose of the connection within its evidence.
    pub(super) name: &'static str,
    /// The id of its request, if its records are judged.
    pub(super) nonce: String,
    pub(super) frames: Vec<Frame>,
    /// Whether the service has closed the connection.
    pub(super) is_closed: bool,
    /// The time of the last reading, from its begin to the last frame or to the end.
    pub(super) time: Duration,
}

impl Conversation {
    /// Creates a conversation without frames.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Reads frames until one is the last, or the connection is closed, or the time is over.
    pub(super) async fn read<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        connection: &mut Frames<S>,
        limit: Duration,
        is_last: impl Fn(&Frame) -> bool,
    ) {
        let began = Instant::now();
        let read = async {
            loop {
                match connection.next().await {
                    Err(_) => return self.is_closed = true,
                    Ok(frame) => {
                        let is_last = is_last(&frame);
                        self.frames.push(frame);
                        if is_last {
                            return;
                        }
                    }
                }
            }
        };
        // The frames so far are evidence as well.
        let _ = timeout(limit, read).await;
        self.time = began.elapsed();
    }

    /// Whether the service speaks HTTP/2.
    pub(super) fn has_begun(&self) -> bool {
        self.frames.iter().any(|frame| frame.kind == SETTINGS)
    }

    /// Whether the service offers extended CONNECT.
    pub(super) fn offers_connect(&self) -> bool {
        self.frames.iter().any(Frame::offers_connect)
    }

    /// Returns the status of a stream's response.
    pub(super) fn status(&self, stream: u32) -> Option<u16> {
        let frames = self.frames.iter();
        let mut frames = frames.filter(|frame| frame.stream == stream);
        frames.find_map(Frame::status)
    }

    /// Whether a stream has a response with status 200.
    pub(super) fn is_answered(&self, stream: u32) -> bool {
        self.status(stream) == Some(200)
    }

    /// Returns the body of a stream's response, as far as it has arrived.
    pub(super) fn body(&self, stream: u32) -> Vec<u8> {
        let frames = self.frames.iter();
        let frames = frames.filter(|frame| frame.stream == stream && frame.kind == DATA);
        frames.flat_map(|frame| frame.payload.clone()).collect()
    }

    /// Whether a stream has ended.
    pub(super) fn has_ended(&self, stream: u32) -> bool {
        self.frames.iter().any(|frame| frame.ends(stream))
    }

    /// Whether there is a frame of a type.
    pub(super) fn has(&self, kind: u8) -> bool {
        self.frames.iter().any(|frame| frame.kind == kind)
    }

    /// Returns the frames for a report.
    pub(super) fn text(&self) -> String {
        /// More frames than this are counted.
        const SHOWN: usize = 12;
        const NAMES: [&str; 10] = [
            "DATA",
            "HEADERS",
            "PRIORITY",
            "RST_STREAM",
            "SETTINGS",
            "PUSH_PROMISE",
            "PING",
            "GOAWAY",
            "WINDOW_UPDATE",
            "CONTINUATION",
        ];
        let mut words: Vec<String> = Vec::new();
        for frame in self.frames.iter().take(SHOWN) {
            let name = NAMES.get(usize::from(frame.kind)).unwrap_or(&"frame");
            let detail = match (frame.status(), frame.code()) {
                (Some(status), _) => format!(" with status {status}"),
                (_, Some(code)) => format!(" with code {code}"),
                _ => String::new(),
            };
            words.push(format!("{name}{detail} of stream {}", frame.stream));
        }
        if self.frames.len() > SHOWN {
            words.push(format!("{} frames in all", self.frames.len()));
        }
        words.push(match self.is_closed {
            true => "the end of the connection".to_owned(),
            false => "an open connection".to_owned(),
        });
        words.join(", ")
    }
}
