//! The request's body, with a limit on its silence, and on its size where a route sets one (contract
//! SRV-1, SRV-2, SRV-3).
//!
//! Both hold for whatever reads the body: an extractor, a stream, a multipart parser. When one is
//! broken the handler gets nothing more, and the edge takes over: it cancels the handler and answers
//! 413 or 408 itself.
//!
//! `MAX_BODY_BYTES` is not held here: it takes the place of axum's default for its extractors, and a
//! `DefaultBodyLimit` of the application, which nothing outside of axum can see, wins over it. WorkerAccept is
//! seen only that a reader stopped at it, for the access record.

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

/// What must have come of a body for a wait to be over: whoever sends less might as well send nothing.
const MIN_PROGRESS: u64 = 1024;

/// The limit for which a body is refused with 413.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SizeLimit {
    /// `MAX_BODY_BYTES`, by an extractor of axum.
    Default,
    /// That of [`RouteLimitsLayer`](super::RouteLimitsLayer), by the edge.
    Route,
}

impl SizeLimit {
    /// How the access record names it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "MAX_BODY_BYTES",
            Self::Route => "route",
        }
    }
}

/// Why a body could not be read to its end.
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
    /// A request's body under the control of its edge.
    pub(super) struct RequestBody<B> {
        #[pin]
        inner: B,
        // Armed only while a reader waits, and then for a whole gap.
        #[pin]
        silence: Option<Sleep>,
        // That timer is not extended any more.
        is_final: bool,
        limits: Arc<BodyLimits>,
        admission: Arc<Admission>,
        // There while a reader waits.
        wait: Option<BodyWait>,
        // Since when next to nothing has come, and how much.
        dry: Option<Instant>,
        came: u64,
        seen: u64,
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
            silence: None,
            is_final: false,
            limits,
            admission,
            wait: None,
            dry: None,
            came: 0,
            seen: 0,
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
        // What the client declares is refused before a byte of it is read.
        if this.seen.saturating_add(this.inner.size_hint().lower()) > limit {
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
                this.silence.set(None);
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                *this.seen += length;
                *this.came += length;
                if *this.came >= MIN_PROGRESS {
                    *this.dry = None;
                    *this.came = 0;
                }
                if *this.seen > limit {
                    return fail(this.limits, BodyFault::TooLarge);
                }
                this.limits.record_frame(*this.seen, length);
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
                if this.silence.is_none() {
                    this.silence.set(Some(sleep(this.limits.read_timeout())));
                    *this.is_final = false;
                }
                let since = *this.dry.get_or_insert_with(Instant::now);
                let may_wait = this
                    .admission
                    .start_wait(this.wait, since, this.limits, cx.waker());
                if let Some(silence) = this.silence.as_mut().as_pin_mut()
                    && may_wait
                {
                    ready!(late_timer::poll_timer(silence, this.is_final, cx));
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

/// Ends a body that has broken a limit.
///
/// If the handler itself reads, the read stays pending. The edge is polling the handler at this moment,
/// finds the fault when the poll returns, and answers in the handler's place. If anything else reads,
/// such as a task, it gets an error.
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

/// Whether the connection itself has failed, rather than ended.
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

/// Whether the server has found the framing malformed.
fn is_malformed(error: &(dyn std::error::Error + 'static)) -> bool {
    io_cause(error)
        .and_then(io::Error::get_ref)
        .is_some_and(|cause| cause.is::<MalformedFraming>())
}

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

    const GAP: Duration = Duration::from_secs(5);

    /// Chunks with a silence before each.
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
        let control = BodyLimits::new(u64::MAX, GAP);
        control.set_limit(limit);
        let chunks = chunks
            .iter()
            .map(|(s, n)| (Duration::from_secs(*s), *n))
            .collect();
        let upload = RequestBody::new(
            Chunks(chunks, None),
            Arc::clone(&control),
            Admission::new(0),
        );
        let whole = upload.collect().await.is_ok();
        (whole, control.outcome())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_at_the_limit_passes_and_one_above_it_does_not() {
        assert_eq!(read(10, &[(0, 4), (0, 6)]).await, (true, None));
        let refused = (
            false,
            Some(BodyOutcome::Reject(StatusCode::PAYLOAD_TOO_LARGE)),
        );
        assert_eq!(read(10, &[(0, 4), (0, 7)]).await, refused);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_measured_between_reads_not_in_all() {
        assert_eq!(read(10, &[(4, 1), (4, 1), (4, 1)]).await, (true, None));
        let refused = (
            false,
            Some(BodyOutcome::Reject(StatusCode::REQUEST_TIMEOUT)),
        );
        assert_eq!(read(10, &[(4, 1), (6, 1)]).await, refused);
    }

    #[tokio::test]
    async fn a_declared_size_is_refused_before_anything_is_read() {
        let control = BodyLimits::new(u64::MAX, GAP);
        control.set_limit(3);
        let mut upload = Box::pin(RequestBody::new(
            Full::from("four"),
            Arc::clone(&control),
            Admission::new(0),
        ));
        let first = std::future::poll_fn(|cx| upload.as_mut().poll_frame(cx)).await;
        assert!(first.unwrap().is_err());
        assert_eq!(
            upload.inner.size_hint().lower(),
            4,
            "the body was not touched"
        );
    }

    #[tokio::test]
    async fn a_route_may_raise_the_limit_before_the_body_is_read() {
        let control = BodyLimits::new(3, GAP);
        control.set_limit(3);
        control.set_limit(4);
        let upload = RequestBody::new(
            Full::from(Bytes::from_static(b"four")),
            control,
            Admission::new(0),
        );
        assert_eq!(upload.collect().await.unwrap().to_bytes(), "four");
    }

    #[tokio::test]
    async fn a_reader_that_stops_at_the_default_limit_is_seen() {
        let chunks = || Chunks([(Duration::ZERO, 4); 3].into(), None);
        let control = BodyLimits::new(6, GAP);
        let mut upload = Box::pin(RequestBody::new(
            chunks(),
            Arc::clone(&control),
            Admission::new(0),
        ));
        let mut stopped = Vec::new();
        while upload.as_mut().frame().await.is_some() {
            stopped.push(control.stopped_at_default());
        }
        assert_eq!(stopped, [false, true, false]);
    }
}
