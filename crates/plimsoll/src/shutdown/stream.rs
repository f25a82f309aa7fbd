//! Streams that end when the drain begins.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::ShutdownFuture;

pin_project! {
    /// A stream that ends when the drain begins; see
    /// [`ShutdownToken::end_stream`](super::ShutdownToken::end_stream).
    #[must_use = "streams do nothing until they are polled"]
    pub struct UntilShutdown<S> {
        #[pin]
        stream: S,
        // `None` once the stream has ended.
        shutdown: Option<ShutdownFuture>,
    }
}

impl<S> UntilShutdown<S> {
    pub(super) fn new(stream: S, shutdown: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            stream,
            shutdown: Some(Box::pin(shutdown)),
        }
    }
}

impl<S: Stream> Stream for UntilShutdown<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        // Polled first, because the stream may always be ready.
        if let Some(shutdown) = this.shutdown
            && shutdown.as_mut().poll(cx).is_pending()
        {
            return this.stream.poll_next(cx);
        }
        *this.shutdown = None;
        Poll::Ready(None)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.stream.size_hint().1)
    }
}

impl<S> fmt::Debug for UntilShutdown<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilShutdown")
            .field("shutdown", &self.shutdown.is_none())
            .finish_non_exhaustive()
    }
}
