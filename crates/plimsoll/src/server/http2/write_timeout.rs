//! `WRITE_TIMEOUT` of HTTP/2 streams, signalled from a body to the future of its stream by a
//! thread-local.
//!
//! Over HTTP/1 a client that accepts no bytes fills the send buffer of the socket. An HTTP/2 client
//! can keep the window of one stream closed, or of all of them. Then nothing is written, and the
//! socket is never full. Instead, hyper holds a frame of the body and does not poll for the next one.
//! After [`STALL`], the response counts as stalled, and its stream may be reset if too many are
//! stalled.
//!
//! # Thread-local
//!
//! hyper polls the body inside the poll of its stream, so both are on one thread and in one
//! call. [`StreamWriteTimeout`] clears [`BODY_POLL`] before it polls the stream, and reads it
//! afterwards. [`ProgressBody`] sets it in between. So no value is left from another stream, and a
//! stream needs no allocation that the body shares.

use std::{
    cell::Cell,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::tunnel::SendingHalf;
use crate::{
    edge::{STALL, StalledResponse, StalledResponses},
    late_timer,
};

/// The last poll of a response body, during one poll of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyPoll {
    /// The body was not polled.
    None,
    /// The body returned a frame and was not polled again: the client has to accept that one first.
    Ready,
    /// The body is pending: the client waits for the service.
    Pending,
}

thread_local! {
    /// The [`BodyPoll`] of the stream that is being polled on this thread.
    static BODY_POLL: Cell<BodyPoll> = const { Cell::new(BodyPoll::None) };
}

pin_project! {
    /// A response body that records its polls in [`BODY_POLL`].
    pub(in crate::server) struct ProgressBody<B> {
        #[pin]
        body: B,
    }
}

impl<B> ProgressBody<B> {
    pub(in crate::server) fn new(body: B) -> Self {
        Self { body }
    }
}

impl<B: Body<Data = Bytes>> Body for ProgressBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let poll = self.project().body.poll_frame(cx);
        BODY_POLL.set(match &poll {
            Poll::Ready(_) => BodyPoll::Ready,
            Poll::Pending => BodyPoll::Pending,
        });
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// Ends a stream whose client accepts no bytes, after the timeout or by an eviction.
    ///
    /// The end resets the stream, and its request counts as aborted.
    pub(super) struct StreamWriteTimeout<F, G> {
        // Dropped before the stream: that drop wakes the connection, which must see the stream ended.
        guard: G,
        #[pin]
        stream: F,
        // Boxed, because most streams need none.
        timer: Option<Pin<Box<Sleep>>>,
        // The timer has been extended.
        is_final: bool,
        timeout: Duration,
        responses: Arc<StalledResponses>,
        stalled: Option<StalledResponse>,
    }
}

impl<F, G> StreamWriteTimeout<F, G> {
    pub(super) fn new(
        stream: F,
        timeout: Duration,
        responses: Arc<StalledResponses>,
        guard: G,
    ) -> Self {
        Self {
            guard,
            stream,
            timer: None,
            is_final: false,
            timeout,
            responses,
            stalled: None,
        }
    }
}

impl<F: Future<Output = ()>, G> Future for StreamWriteTimeout<F, G> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        BODY_POLL.set(BodyPoll::None);
        if this.stream.poll(cx).is_ready() {
            SendingHalf::discard();
            return Poll::Ready(());
        }
        let first = STALL.min(*this.timeout);
        match BODY_POLL.get() {
            BodyPoll::None => {}
            BodyPoll::Pending => {
                *this.stalled = None;
                *this.timer = None;
            }
            BodyPoll::Ready => {
                *this.stalled = None;
                *this.is_final = false;
                match this.timer {
                    Some(timer) => timer.as_mut().reset(Instant::now() + first),
                    None => *this.timer = Some(Box::pin(sleep(first))),
                }
            }
        }
        if this
            .stalled
            .as_ref()
            .is_some_and(StalledResponse::is_evicted)
        {
            return Poll::Ready(());
        }
        let Some(timer) = this.timer else {
            return Poll::Pending;
        };
        if this.stalled.is_none() && *this.timeout > STALL {
            ready!(timer.as_mut().poll(cx));
            let since = timer.deadline() - first;
            let stalled = this
                .stalled
                .insert(this.responses.register(since, cx.waker()));
            if stalled.is_evicted() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(since + *this.timeout);
        }
        late_timer::poll_timer(timer.as_mut(), this.is_final, cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// A body that is always pending.
    struct PendingBody;

    impl Body for PendingBody {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }

    /// Polls a body as hyper does, until it is pending or has returned `frames` frames.
    async fn stream(body: impl Body<Data = Bytes>, mut frames: usize) {
        let mut body = std::pin::pin!(ProgressBody::new(body));
        poll_fn(|cx| {
            while frames > 0 {
                match body.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(_)) => frames -= 1,
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Pending
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn stream_times_out_if_client_accepts_nothing() {
        let body = http_body_util::Full::new(Bytes::from_static(b"all"));
        let began = Instant::now();
        StreamWriteTimeout::new(stream(body, 1), TIMEOUT, StalledResponses::new(1), ()).await;
        assert_eq!(began.elapsed(), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn stall_during_process_stop_is_extended_once() {
        let extension = Duration::from_secs(1);
        for second_stop in [Duration::ZERO, TIMEOUT] {
            let body = http_body_util::Full::new(Bytes::from_static(b"all"));
            let timed =
                StreamWriteTimeout::new(stream(body, 1), TIMEOUT, StalledResponses::new(1), ());
            let mut timed = std::pin::pin!(timed);
            assert!(timeout(STALL / 2, &mut timed).await.is_err());
            // Both timers expire during the stop.
            advance(TIMEOUT * 2).await;
            assert!(timeout(STALL / 2, &mut timed).await.is_err());
            advance(second_stop).await;
            let began = Instant::now();
            timed.await;
            let rest = (extension - STALL / 2).saturating_sub(second_stop);
            assert_eq!(began.elapsed(), rest, "{second_stop:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_stream_is_evicted_for_another() {
        let body = || http_body_util::Full::new(Bytes::from_static(b"all"));
        let responses = StalledResponses::new(1);
        let began = Instant::now();
        let first = tokio::spawn(StreamWriteTimeout::new(
            stream(body(), 1),
            TIMEOUT,
            Arc::clone(&responses),
            (),
        ));
        sleep(STALL / 2).await;
        let second = tokio::spawn(StreamWriteTimeout::new(
            stream(body(), 1),
            TIMEOUT,
            responses,
            (),
        ));
        first.await.unwrap();
        assert_eq!(began.elapsed(), STALL + STALL / 2);
        second.await.unwrap();
        assert_eq!(began.elapsed(), STALL / 2 + TIMEOUT);
    }

    #[tokio::test]
    async fn guard_is_dropped_before_stream() {
        use std::sync::{Arc, Mutex};
        struct LogOnDrop(&'static str, Arc<Mutex<Vec<&'static str>>>);
        impl Drop for LogOnDrop {
            fn drop(&mut self) {
                self.1.lock().unwrap().push(self.0);
            }
        }
        let order = Arc::default();
        let stream = LogOnDrop("stream", Arc::clone(&order));
        let stream = async move {
            std::future::pending::<()>().await;
            drop(stream);
        };
        drop(StreamWriteTimeout::new(
            stream,
            TIMEOUT,
            StalledResponses::new(1),
            LogOnDrop("guard", Arc::clone(&order)),
        ));
        assert_eq!(*order.lock().unwrap(), ["guard", "stream"]);
    }

    #[tokio::test(start_paused = true)]
    async fn pending_body_does_not_time_out() {
        let timed = StreamWriteTimeout::new(
            stream(PendingBody, 1),
            TIMEOUT,
            StalledResponses::new(1),
            (),
        );
        assert!(timeout(TIMEOUT * 100, timed).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn pending_handler_does_not_time_out() {
        let timed = StreamWriteTimeout::new(
            std::future::pending(),
            TIMEOUT,
            StalledResponses::new(1),
            (),
        );
        assert!(timeout(TIMEOUT * 100, timed).await.is_err());
    }
}
