//! Streams whose client takes nothing of the answer.
//!
//! On a connection of HTTP/1 that shows on the socket. Here one client may keep a stream's window
//! shut while it reads others, or keep them all shut: nothing is written then, and the socket is
//! never full. What shows instead is that hyper holds a piece of a body and asks for no other. After a
//! second of that the response counts as stalled, and may be reset for the sake of others.

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

/// What the body of a stream's answer did while the stream was polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyPoll {
    /// It was not asked.
    Nothing,
    /// It gave something, and was not asked again: the client has to take that first.
    Gave,
    /// It had nothing to give: the service makes the client wait.
    Waited,
}

thread_local! {
    /// Of the stream that is being polled on this thread.
    static BODY_POLL: Cell<BodyPoll> = const { Cell::new(BodyPoll::Nothing) };
}

pin_project! {
    /// An answer's body, which leaves word of what it did.
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
            Poll::Ready(_) => BodyPoll::Gave,
            Poll::Pending => BodyPoll::Waited,
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
    /// A stream that is given up when its client has taken nothing for too long, or for long enough
    /// while others need its place. That resets it, and ends its request as aborted.
    pub(super) struct StreamWriteTimeout<F, O> {
        // Dropped before the stream, whose drop wakes the connection: that must see it ended.
        open: O,
        #[pin]
        stream: F,
        #[pin]
        timer: Option<Sleep>,
        // That timer is not extended any more.
        is_final: bool,
        patience: Duration,
        all: Arc<StalledResponses>,
        stalled: Option<StalledResponse>,
    }
}

impl<F, O> StreamWriteTimeout<F, O> {
    pub(super) fn new(stream: F, patience: Duration, all: Arc<StalledResponses>, open: O) -> Self {
        Self {
            open,
            stream,
            timer: None,
            is_final: false,
            patience,
            all,
            stalled: None,
        }
    }
}

impl<F: Future<Output = ()>, O> Future for StreamWriteTimeout<F, O> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        BODY_POLL.set(BodyPoll::Nothing);
        if this.stream.poll(cx).is_ready() {
            SendingHalf::forget();
            return Poll::Ready(());
        }
        let first = STALL.min(*this.patience);
        match BODY_POLL.get() {
            BodyPoll::Nothing => {}
            BodyPoll::Waited => {
                *this.stalled = None;
                this.timer.set(None);
            }
            BodyPoll::Gave => {
                *this.stalled = None;
                *this.is_final = false;
                match this.timer.as_mut().as_pin_mut() {
                    Some(timer) => timer.reset(Instant::now() + first),
                    None => this.timer.set(Some(sleep(first))),
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
        let Some(mut timer) = this.timer.as_pin_mut() else {
            return Poll::Pending;
        };
        if this.stalled.is_none() && *this.patience > STALL {
            ready!(timer.as_mut().poll(cx));
            let since = timer.deadline() - first;
            let stalled = this.stalled.insert(this.all.register(since, cx.waker()));
            if stalled.is_evicted() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(since + *this.patience);
        }
        late_timer::poll_timer(timer, this.is_final, cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A body that never has anything to give.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }

    /// Asks a body as hyper does: again and again until it waits, or `takes` pieces are taken.
    async fn stream(body: impl Body<Data = Bytes>, mut takes: usize) {
        let mut body = std::pin::pin!(ProgressBody::new(body));
        poll_fn(|cx| {
            while takes > 0 {
                match body.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(_)) => takes -= 1,
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Pending
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let body = http_body_util::Full::new(Bytes::from_static(b"all"));
        let began = Instant::now();
        StreamWriteTimeout::new(stream(body, 1), PATIENCE, StalledResponses::new(1), ()).await;
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn stall_during_process_stop_is_extended_once() {
        let extension = Duration::from_secs(1);
        for second_stop in [Duration::ZERO, PATIENCE] {
            let body = http_body_util::Full::new(Bytes::from_static(b"all"));
            let paced =
                StreamWriteTimeout::new(stream(body, 1), PATIENCE, StalledResponses::new(1), ());
            let mut paced = std::pin::pin!(paced);
            assert!(timeout(STALL / 2, &mut paced).await.is_err());
            // Both timers expire during the stop.
            advance(PATIENCE * 2).await;
            assert!(timeout(STALL / 2, &mut paced).await.is_err());
            advance(second_stop).await;
            let began = Instant::now();
            paced.await;
            let rest = (extension - STALL / 2).saturating_sub(second_stop);
            assert_eq!(began.elapsed(), rest, "{second_stop:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_stream_is_evicted_for_another() {
        let body = || http_body_util::Full::new(Bytes::from_static(b"all"));
        let all = StalledResponses::new(1);
        let began = Instant::now();
        let first = tokio::spawn(StreamWriteTimeout::new(
            stream(body(), 1),
            PATIENCE,
            Arc::clone(&all),
            (),
        ));
        sleep(STALL / 2).await;
        let second = tokio::spawn(StreamWriteTimeout::new(
            stream(body(), 1),
            PATIENCE,
            all,
            (),
        ));
        first.await.unwrap();
        assert_eq!(began.elapsed(), STALL + STALL / 2);
        second.await.unwrap();
        assert_eq!(began.elapsed(), STALL / 2 + PATIENCE);
    }

    #[tokio::test]
    async fn a_stream_has_ended_for_its_connection_before_that_is_woken() {
        use std::sync::{Arc, Mutex};
        struct Told(&'static str, Arc<Mutex<Vec<&'static str>>>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.1.lock().unwrap().push(self.0);
            }
        }
        let order = Arc::default();
        let stream = Told("stream", Arc::clone(&order));
        let stream = async move {
            std::future::pending::<()>().await;
            drop(stream);
        };
        drop(StreamWriteTimeout::new(
            stream,
            PATIENCE,
            StalledResponses::new(1),
            Told("open", Arc::clone(&order)),
        ));
        assert_eq!(*order.lock().unwrap(), ["open", "stream"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_makes_its_client_wait_is_waited_for() {
        let paced =
            StreamWriteTimeout::new(stream(Silent, 1), PATIENCE, StalledResponses::new(1), ());
        assert!(timeout(PATIENCE * 100, paced).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_has_not_answered_is_not_its_clients_fault() {
        let paced = StreamWriteTimeout::new(
            std::future::pending(),
            PATIENCE,
            StalledResponses::new(1),
            (),
        );
        assert!(timeout(PATIENCE * 100, paced).await.is_err());
    }
}
