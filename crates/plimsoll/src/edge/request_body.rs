//! The request body with a read timeout, and with a size limit if the route sets one (contract SRV-1,
//! SRV-2, SRV-3).
//!
//! Both limits apply to every reader of the body: an extractor, a stream, a multipart parser. If one
//! is exceeded, the handler gets no more data. The edge cancels the handler and answers 413 or 408.
//!
//! `MAX_BODY_BYTES` is not enforced here. `state.rs` sets it as axum's default for its extractors, and
//! a `DefaultBodyLimit` of the application wins over it. That limit is not visible here. This module
//! only records that a reader stopped at `MAX_BODY_BYTES`, for the access record.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::admission::{Admission, BodyWait};
use crate::{
    connection::MalformedFraming,
    late_timer,
    request::{self, BodyFault, BodyLimits},
};

/// The number of bytes that count as progress on a request body. With less, a wait continues.
const MIN_PROGRESS: u64 = 1024;

/// The limit that a body exceeded when it was rejected with 413.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SizeLimit {
    /// `MAX_BODY_BYTES`, enforced by an extractor of axum.
    Default,
    /// The limit of [`RouteLimitsLayer`](super::RouteLimitsLayer), enforced by the edge.
    Route,
}

impl SizeLimit {
    /// The value of `limit` in the access record.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "MAX_BODY_BYTES",
            Self::Route => "route",
        }
    }
}

/// The error of a request body that could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct RequestBodyError(Reason);

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("the request body is larger than {0} bytes")]
    TooLarge(u64),
    #[error("nothing of the request body came for {0:?}")]
    Stalled(Duration),
    #[error("the request body is malformed")]
    Malformed,
    #[error("the request body ended early")]
    Connection(#[source] axum::BoxError),
}

pin_project! {
    /// A request body with the limits of the edge.
    pub(super) struct RequestBody<B> {
        #[pin]
        inner: B,
        // Armed only while a reader waits, and then for the whole read timeout.
        #[pin]
        read_timer: Option<Sleep>,
        // Whether that timer was extended before (`late_timer`).
        is_final: bool,
        limits: Arc<BodyLimits>,
        admission: Arc<Admission>,
        // Present while a reader waits.
        wait: Option<BodyWait>,
        // The begin of the present wait. Less than `MIN_PROGRESS` bytes do not end it.
        stalled_since: Option<Instant>,
        // The bytes received since the last progress.
        progress: u64,
        // All bytes received.
        received: u64,
    }

    impl<B> PinnedDrop for RequestBody<B> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(wait) = this.wait {
                this.admission.end_wait(wait);
            }
        }
    }
}

impl<B> RequestBody<B> {
    pub(super) fn new(inner: B, limits: Arc<BodyLimits>, admission: Arc<Admission>) -> Self {
        Self {
            inner,
            read_timer: None,
            is_final: false,
            limits,
            admission,
            wait: None,
            stalled_since: None,
            progress: 0,
            received: 0,
        }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let mut this = self.project();
        let limit = this.limits.limit();
        // A declared length above the limit is rejected before a byte is read.
        if this.received.saturating_add(this.inner.size_hint().lower()) > limit {
            return fail(this.limits, BodyFault::TooLarge);
        }
        let polled = this.inner.as_mut().poll_frame(cx);
        if polled.is_ready()
            && let Some(wait) = this.wait.take()
            && !this.admission.end_wait(wait)
        {
            return fail(this.limits, BodyFault::Stalled);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.read_timer.set(None);
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                *this.received += length;
                *this.progress += length;
                if *this.progress >= MIN_PROGRESS {
                    *this.stalled_since = None;
                    *this.progress = 0;
                }
                if *this.received > limit {
                    return fail(this.limits, BodyFault::TooLarge);
                }
                this.limits.record_frame(*this.received, length);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let error = error.into();
                if is_malformed(&*error) {
                    return fail(this.limits, BodyFault::Malformed);
                }
                if is_reset(&*error) {
                    this.limits.set_fault(BodyFault::Gone);
                }
                Poll::Ready(Some(Err(RequestBodyError(Reason::Connection(error)))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                if this.read_timer.is_none() {
                    this.read_timer.set(Some(sleep(this.limits.read_timeout())));
                    *this.is_final = false;
                }
                let since = *this.stalled_since.get_or_insert_with(Instant::now);
                let may_wait = this
                    .admission
                    .start_wait(this.wait, since, this.limits, cx.waker());
                if let Some(read_timer) = this.read_timer.as_mut().as_pin_mut()
                    && may_wait
                {
                    ready!(late_timer::poll_timer(read_timer, this.is_final, cx));
                }
                fail(this.limits, BodyFault::Stalled)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Ends a body that has exceeded a limit.
///
/// If the handler itself reads, the read stays pending. The edge is polling the handler at this moment,
/// finds the fault after the poll, and answers in the handler's place. Any other reader, such as a
/// task, gets an error.
fn fail<T>(
    limits: &Arc<BodyLimits>,
    fault: BodyFault,
) -> Poll<Option<Result<T, RequestBodyError>>> {
    let by_handler = request::with_current(|current| {
        let body = current.body.as_ref();
        body.is_some_and(|body| Arc::ptr_eq(body, limits))
    });
    limits.set_fault(fault);
    if by_handler == Some(true) {
        return Poll::Pending;
    }
    let reason = match fault {
        BodyFault::TooLarge => Reason::TooLarge(limits.limit()),
        BodyFault::Stalled | BodyFault::Gone => Reason::Stalled(limits.read_timeout()),
        BodyFault::Malformed => Reason::Malformed,
    };
    Poll::Ready(Some(Err(RequestBodyError(reason))))
}

/// Whether the connection was reset, not closed in order.
fn is_reset(error: &(dyn std::error::Error + 'static)) -> bool {
    io_cause(error).is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::TimedOut
        )
    })
}

/// Whether the server has rejected the framing as malformed.
fn is_malformed(error: &(dyn std::error::Error + 'static)) -> bool {
    io_cause(error)
        .and_then(io::Error::get_ref)
        .is_some_and(|cause| cause.is::<MalformedFraming>())
}

/// The first I/O error in the chain of sources.
fn io_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::{BodyExt as _, Full};

    use http::StatusCode;

    use super::*;
    use crate::request::BodyOutcome;

    const READ_TIMEOUT: Duration = Duration::from_secs(5);

    /// Frames, each with a pause before it and a size.
    struct Chunks(VecDeque<(Duration, usize)>, Option<Pin<Box<Sleep>>>);

    impl Body for Chunks {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let Some((wait, size)) = self.0.front().copied() else {
                return Poll::Ready(None);
            };
            let timer = self.1.get_or_insert_with(|| Box::pin(sleep(wait)));
            ready!(timer.as_mut().poll(cx));
            self.1 = None;
            self.0.pop_front();
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; size])))))
        }
    }

    async fn read(limit: u64, chunks: &[(u64, usize)]) -> (bool, Option<BodyOutcome>) {
        let limits = BodyLimits::new(u64::MAX, READ_TIMEOUT);
        limits.set_limit(limit);
        let chunks = chunks
            .iter()
            .map(|(s, n)| (Duration::from_secs(*s), *n))
            .collect();
        let body = RequestBody::new(Chunks(chunks, None), Arc::clone(&limits), Admission::of(0));
        let is_complete = body.collect().await.is_ok();
        (is_complete, limits.outcome())
    }

    #[tokio::test(start_paused = true)]
    async fn body_above_size_limit_is_rejected() {
        assert_eq!(read(10, &[(0, 4), (0, 6)]).await, (true, None));
        let rejected = (
            false,
            Some(BodyOutcome::Reject(StatusCode::PAYLOAD_TOO_LARGE)),
        );
        assert_eq!(read(10, &[(0, 4), (0, 7)]).await, rejected);
    }

    #[tokio::test(start_paused = true)]
    async fn read_timeout_applies_between_frames() {
        assert_eq!(read(10, &[(4, 1), (4, 1), (4, 1)]).await, (true, None));
        let rejected = (
            false,
            Some(BodyOutcome::Reject(StatusCode::REQUEST_TIMEOUT)),
        );
        assert_eq!(read(10, &[(4, 1), (6, 1)]).await, rejected);
    }

    #[tokio::test]
    async fn declared_size_is_rejected_before_read() {
        let limits = BodyLimits::new(u64::MAX, READ_TIMEOUT);
        limits.set_limit(3);
        let mut body = Box::pin(RequestBody::new(
            Full::from("four"),
            Arc::clone(&limits),
            Admission::of(0),
        ));
        let first = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        assert!(first.unwrap().is_err());
        assert_eq!(body.inner.size_hint().lower(), 4, "the body was not read");
    }

    #[tokio::test]
    async fn route_raises_size_limit_before_read() {
        let limits = BodyLimits::new(3, READ_TIMEOUT);
        limits.set_limit(3);
        limits.set_limit(4);
        let body = RequestBody::new(
            Full::from(Bytes::from_static(b"four")),
            limits,
            Admission::of(0),
        );
        assert_eq!(body.collect().await.unwrap().to_bytes(), "four");
    }

    /// SRV-3
    #[tokio::test]
    async fn reader_that_stops_at_default_limit_is_recorded() {
        let chunks = || Chunks([(Duration::ZERO, 4); 3].into(), None);
        let limits = BodyLimits::new(6, READ_TIMEOUT);
        let mut body = Box::pin(RequestBody::new(
            chunks(),
            Arc::clone(&limits),
            Admission::of(0),
        ));
        let mut stopped = Vec::new();
        while body.as_mut().frame().await.is_some() {
            stopped.push(limits.stopped_at_default());
        }
        assert_eq!(stopped, [false, true, false]);
    }
}
