//! Responses to pipelined requests, kept until they are sent with one write.
//!
//! hyper writes each response before it parses the next request. A client that pipelines sixteen
//! requests in one segment would get sixteen segments, with a system call for each. So while the I/O
//! holds back bytes of the next request, it keeps the response and reports it as written.
//!
//! A kept response waits for no other: as soon as hyper makes no progress, the task of the connection
//! begins a flush (`serve/http_connection.rs`).

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

/// The most bytes that are kept. A larger response is written at once, without a copy.
const MAX_KEPT: usize = 16 * 1024;

/// Kept responses, and how much of them has been sent.
#[derive(Debug, Default)]
pub(crate) struct ResponseBatch {
    bytes: Vec<u8>,
    sent: usize,
}

impl ResponseBatch {
    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends the bytes. Returns false if they do not fit, or if the batch is being sent.
    pub(crate) fn keep(&mut self, bufs: &[IoSlice<'_>]) -> bool {
        let length: usize = bufs.iter().map(|buf| buf.len()).sum();
        if self.sent > 0 || self.bytes.len() + length > MAX_KEPT {
            return false;
        }
        for buf in bufs {
            self.bytes.extend_from_slice(buf);
        }
        true
    }

    /// Sends the batch, which is empty afterwards.
    ///
    /// # Errors
    ///
    /// Those of the stream, and [`io::ErrorKind::WriteZero`] if it accepts no more bytes.
    pub(crate) fn poll_send(
        &mut self,
        mut stream: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.bytes.get(self.sent..) {
            match ready!(stream.as_mut().poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        // Freed, since most connections never pipeline again.
        *self = Self::default();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    fn keep(batch: &mut ResponseBatch, bytes: &[u8]) -> bool {
        batch.keep(&[IoSlice::new(bytes)])
    }

    #[test]
    fn responses_are_kept_up_to_the_limit() {
        let mut batch = ResponseBatch::default();
        assert!(keep(&mut batch, &[0; MAX_KEPT - 1]));
        assert!(!keep(&mut batch, &[0; 2]));
        assert!(keep(&mut batch, &[0; 1]));
        assert!(!keep(&mut batch, &[0; 1]));
    }

    #[tokio::test]
    async fn batch_is_sent_in_order_to_a_slow_client() {
        let (mut client, mut stream) = duplex(4);
        let mut batch = ResponseBatch::default();
        assert!(batch.keep(&[IoSlice::new(b"one,"), IoSlice::new(b"two,")]));
        assert!(keep(&mut batch, b"three"));
        poll_fn(|cx| {
            let poll = batch.poll_send(Pin::new(&mut stream), cx);
            assert!(poll.is_pending(), "the client has read nothing");
            Poll::Ready(())
        })
        .await;
        assert!(!keep(&mut batch, b"late"), "it is being sent");
        let mut text = [0; 13];
        let send = poll_fn(|cx| batch.poll_send(Pin::new(&mut stream), cx));
        let (sent, read) = tokio::join!(send, client.read_exact(&mut text));
        sent.unwrap();
        read.unwrap();
        assert_eq!(&text, b"one,two,three");
        assert!(batch.is_empty());
    }
}
