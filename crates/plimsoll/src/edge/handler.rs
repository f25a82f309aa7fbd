//! A handler's future, inside its panic guard and its deadline.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::StatusCode;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::problem::Problem;
use crate::{
    late_timer,
    request::{self, BodyOutcome, RequestContext, TimeoutOverride},
    telemetry::{CaughtPanic, catch},
};

pin_project! {
    /// Polls a handler with its request in the slot of the thread.
    pub(super) struct Handler<F> {
        #[pin]
        future: Option<F>,
        #[pin]
        deadline: Option<Sleep>,
        // From when on the deadline counts, and how long it is.
        armed: Option<(Instant, Duration)>,
        context: Option<Box<RequestContext>>,
        timeout: Option<Duration>,
        // The deadline is not extended any more.
        is_final: bool,
    }
}

/// How a handler ended.
pub(super) enum HandlerOutcome<R> {
    Answer(R),
    Panic(CaughtPanic),
    /// It did not answer in time, and was cancelled.
    Late,
    /// Its body broke a limit, and it was cancelled.
    Refused(Problem),
    /// Its body is malformed, and it was cancelled.
    Malformed,
    /// Its client has gone, and it was cancelled.
    Gone,
}

impl<F> Handler<F> {
    /// Calls the handler. A panic in the call itself is an outcome too.
    pub(super) fn start(
        mut context: Option<Box<RequestContext>>,
        timeout: Option<Duration>,
        call: impl FnOnce() -> F,
    ) -> Result<Self, CaughtPanic> {
        let future = guard(&mut context, call)?;
        Ok(Self {
            future: Some(future),
            deadline: None,
            armed: None,
            context,
            timeout,
            is_final: false,
        })
    }

    /// Drops what the handler still holds, which may log or panic while it goes.
    pub(super) fn cancel(self: Pin<&mut Self>) -> Result<(), CaughtPanic> {
        let mut this = self.project();
        if this.future.is_none() {
            return Ok(());
        }
        guard(this.context, || this.future.set(None))
    }

    /// The request has given its slot back, and goes on.
    pub(super) fn release_slot(&self) {
        if let Some(body) = self.context.as_ref().and_then(|it| it.body.as_ref()) {
            body.release_slot();
        }
    }

    /// Whether the answer is axum's own 404 or 405.
    pub(super) fn is_default_answer(&self) -> bool {
        self.context
            .as_ref()
            .is_some_and(|context| context.is_default_answer)
    }

    /// Whether what read the request's body stopped at `MAX_BODY_BYTES`.
    pub(super) fn stopped_at_default_limit(&self) -> bool {
        let body = self.context.as_ref().and_then(|it| it.body.as_ref());
        body.is_some_and(|body| body.stopped_at_default())
    }

    /// Drops what the service has made, such as a body that is not sent.
    pub(super) fn discard<T>(self: Pin<&mut Self>, made: T) -> Result<(), CaughtPanic> {
        guard(self.project().context, || drop(made))
    }

    /// What the request is known as, for the body of its answer.
    pub(super) fn take_context(self: Pin<&mut Self>) -> Option<Box<RequestContext>> {
        let mut context = self.project().context.take();
        if let Some(context) = &mut context {
            // The limits of the request's body were the handler's business, and it has answered.
            context.body = None;
            context.service = None;
        }
        context
    }

    /// The route that was matched, as far as that is known.
    pub(super) fn route(&self) -> u32 {
        self.context.as_ref().map_or(0, |context| context.route)
    }
}

impl<F, R> Handler<F>
where
    F: Future<Output = Result<R, Infallible>>,
{
    pub(super) fn poll_outcome(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<HandlerOutcome<R>> {
        let mut this = self.as_mut().project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let poll = guard_noted(this.context, || future.poll(cx));
        let verdict = this
            .context
            .as_ref()
            .and_then(|c| c.body.as_ref()?.outcome());
        let outcome = match (poll, verdict) {
            (Err(caught), _) => HandlerOutcome::Panic(caught),
            (Ok(_), Some(BodyOutcome::Abort)) => HandlerOutcome::Gone,
            // What a handler answers is its own, whatever became of its body.
            (Ok(Poll::Ready(Ok(answer))), _) => HandlerOutcome::Answer(answer),
            (Ok(Poll::Pending), Some(BodyOutcome::Reject(status))) => {
                let limit = (status == StatusCode::PAYLOAD_TOO_LARGE)
                    .then(|| Some(this.context.as_ref()?.body.as_ref()?.limit()));
                let detail = limit.flatten().map(|limit| {
                    format!("this route takes request bodies of {limit} bytes at most")
                });
                HandlerOutcome::Refused(Problem::new(status).with_detail(detail).closing())
            }
            (Ok(Poll::Pending), Some(BodyOutcome::Malformed)) => HandlerOutcome::Malformed,
            (Ok(Poll::Pending), None) => {
                // Most handlers answer at once: only one that waits costs a timer.
                let route = this.context.as_ref().map(|it| it.request_timeout);
                let timeout = match route.unwrap_or_default() {
                    TimeoutOverride::Inherit => *this.timeout,
                    TimeoutOverride::Off => None,
                    TimeoutOverride::After(timeout) => Some(timeout),
                };
                let Some(timeout) = timeout else {
                    return Poll::Pending;
                };
                let (began, armed) = *this.armed.get_or_insert_with(|| (Instant::now(), timeout));
                if this.deadline.is_none() || armed != timeout {
                    // The route may have set another limit since, behind a layer that had to wait.
                    *this.armed = Some((began, timeout));
                    this.deadline.set(Some(sleep_until(began + timeout)));
                }
                let deadline = this.deadline.as_mut().as_pin_mut();
                match deadline.map(|it| late_timer::poll_timer(it, this.is_final, cx)) {
                    Some(Poll::Ready(())) => HandlerOutcome::Late,
                    _ => return Poll::Pending,
                }
            }
        };
        match self.cancel() {
            Ok(()) => Poll::Ready(outcome),
            Err(caught) => Poll::Ready(HandlerOutcome::Panic(caught)),
        }
    }
}

/// Runs the service's own code: with its request in the slot, and without letting a panic through.
pub(super) fn guard<T>(
    context: &mut Option<Box<RequestContext>>,
    work: impl FnOnce() -> T,
) -> Result<T, CaughtPanic> {
    request::enter(context, || catch(work))
}

/// Like [`guard`], for code that may block its thread.
pub(super) fn guard_noted<T>(
    context: &mut Option<Box<RequestContext>>,
    work: impl FnOnce() -> T,
) -> Result<T, CaughtPanic> {
    request::enter_noted(context, || catch(work))
}
