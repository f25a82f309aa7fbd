//! The lingering close: discards the input of a client that has its response and may still send.
//!
//! Closing a socket that has unread input resets the connection. The client then loses the part of the
//! response that it has not read.
//!
//! `connection/unread_body.rs` (HTTP/1) and `connection/http2.rs` decide whether a close lingers.
//! `server/io.rs` keeps the stream, and `server/serve.rs` runs the close.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::io::Stream;

/// The time limits of a lingering close.
#[derive(Debug)]
pub(super) struct LingeringClose {
    /// The longest time without input.
    idle_timeout: Duration,
    /// The longest time in all.
    timeout: Duration,
}

impl LingeringClose {
    /// After an HTTP/1 response whose request body was left unread (contract SRV-3).
    pub(super) const AFTER_REQUEST: Self = Self {
        idle_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(2),
    };

    /// After GOAWAY: an HTTP/2 client sends WINDOW_UPDATE while it reads, and closes when it has read
    /// everything.
    pub(super) const fn after_goaway(timeout: Duration) -> Self {
        Self {
            idle_timeout: Duration::from_secs(2),
            timeout,
        }
    }

    /// Shuts the sending side down and discards input, until the client closes or a limit is reached.
    pub(super) async fn drain(self, stream: Stream) {
        // The response has been sent, so neither an expired limit nor an error matters.
        let _ = timeout(self.timeout, self.discard(stream)).await;
    }

    async fn discard(&self, mut stream: Stream) -> io::Result<()> {
        stream.shutdown().await?;
        let mut input = vec![0; 16 * 1024];
        while timeout(self.idle_timeout, stream.read(&mut input)).await?? > 0 {}
        Ok(())
    }
}
