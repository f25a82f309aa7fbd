//! Listening to a client that has had its answer and may still be sending.
//!
//! A socket that is closed while something comes is reset, and what its client has not read of the
//! answer is lost with it.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::io::Stream;

/// How long a client is listened to.
#[derive(Debug)]
pub(super) struct LingeringClose {
    /// Without a word of it.
    silence: Duration,
    /// At most.
    whole: Duration,
}

impl LingeringClose {
    /// Somebody who sends a body that nobody wants (SRV-3).
    pub(super) const AFTER_REQUEST: Self = Self {
        silence: Duration::from_secs(2),
        whole: Duration::from_secs(2),
    };

    /// Somebody who says over HTTP/2 how much it has read, and hangs up when that is all.
    pub(super) const fn after_goaway(whole: Duration) -> Self {
        Self {
            silence: Duration::from_secs(2),
            whole,
        }
    }

    /// Forgets what the client says, until it has nothing more to say.
    pub(super) async fn drain(self, stream: Stream) {
        // Neither the time nor an error tells anything of an answer that was given.
        let _ = timeout(self.whole, self.read(stream)).await;
    }

    async fn read(&self, mut stream: Stream) -> io::Result<()> {
        stream.shutdown().await?;
        let mut unheard = vec![0; 16 * 1024];
        while timeout(self.silence, stream.read(&mut unheard)).await?? > 0 {}
        Ok(())
    }
}
