//! Polls a handler inside a panic guard and a deadline.

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
    /// A handler's future, polled with its request in the thread-local slot.
    pub(super) struct Handler<F> {
        #[pin]
        future: Option<F>,
        #[pin]
        deadline: Option<Sleep>,
        // The begin and the length of the deadline, once it is armed.
        armed: Option<(Instant, Duration)>,
        context: Option<Box<RequestContext>>,
        timeout: Option<Duration>,
        // Whether the deadline was extended before (`late_timer`).
        is_final: bool,
    }
}

/// How a handler ended.
pub(super) enum HandlerOutcome<R> {
    Answer(R),
    Panic(CaughtPanic),
    /// It missed its deadline and was cancelled.
    TimedOut,
    /// The request body exceeded a limit, and the handler was cancelled.
    Rejected(Problem),
    /// The request body is malformed, and the handler was cancelled.
    Malformed,
    /// The client disconnected, and the handler was cancelled.
    Disconnected,
}

impl<F> Handler<F> {
    /// A handler that was called in this context.
    pub(super) fn new(
        future: F,
        context: Option<Box<RequestContext>>,
        timeout: Option<Duration>,
    ) -> Self {
        Self {
            future: Some(future),
            deadline: None,
            armed: None,
            context,
            timeout,
            is_final: false,
        }
    }

    /// Drops the handler's future. Its destructors may log or panic.
    pub(super) fn cancel(self: Pin<&mut Self>) -> Result<(), CaughtPanic> {
        let mut this = self.project();
        if this.future.is_none() {
            return Ok(());
        }
        if let Some(context) = this.context.as_deref()
            && let Some(records) = &context.debug_records
        {
            let timeout = effective_timeout(Some(context), *this.timeout);
            records.mark_slow(context.began.age(), timeout);
        }
        run(this.context, || this.future.set(None))
    }

    /// Marks the request body as one without a slot, so that it is not evicted.
    pub(super) fn release_slot(&self) {
        if let Some(body) = self.context.as_ref().and_then(|it| it.body.as_ref()) {
            body.release_slot();
        }
    }

    /// Whether the response is axum's own 404 or 405.
    pub(super) fn is_default_answer(&self) -> bool {
        self.context
            .as_ref()
            .is_some_and(|context| context.is_default_answer)
    }

    /// Whether the reader of the request body stopped at `MAX_BODY_BYTES`.
    pub(super) fn stopped_at_default_limit(&self) -> bool {
        let body = self.context.as_ref().and_then(|it| it.body.as_ref());
        body.is_some_and(|body| body.stopped_at_default())
    }

    /// Drops a value of the application, such as a body that is not sent.
    pub(super) fn discard<T>(self: Pin<&mut Self>, value: T) -> Result<(), CaughtPanic> {
        run(self.project().context, || drop(value))
    }

    /// Takes the context, for the response body. It no longer holds the request body and the service, and
    /// no entry: the body may live longer than the request.
    pub(super) fn take_context(self: Pin<&mut Self>) -> Option<Box<RequestContext>> {
        let mut context = self.project().context.take();
        if let Some(context) = &mut context {
            // Only the handler needs these, and it has answered.
            context.body = None;
            context.service = None;
            context.entry = None;
        }
        context
    }

    /// The matched route; 0 if it is not known yet.
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
        let poll = run_noted(this.context, || future.poll(cx));
        let body_outcome = this
            .context
            .as_ref()
            .and_then(|c| c.body.as_ref()?.outcome());
        let outcome = match (poll, body_outcome) {
            (Err(caught), _) => HandlerOutcome::Panic(caught),
            (Ok(_), Some(BodyOutcome::Abort)) => HandlerOutcome::Disconnected,
            // A response of the handler is kept, also if the request body exceeded a limit.
            (Ok(Poll::Ready(Ok(answer))), _) => HandlerOutcome::Answer(answer),
            (Ok(Poll::Pending), Some(BodyOutcome::Reject(status))) => {
                let limit = (status == StatusCode::PAYLOAD_TOO_LARGE)
                    .then(|| Some(this.context.as_ref()?.body.as_ref()?.limit()));
                let detail = limit.flatten().map(|limit| {
                    format!("this route takes request bodies of {limit} bytes at most")
                });
                HandlerOutcome::Rejected(Problem::new(status).with_detail(detail).closing())
            }
            (Ok(Poll::Pending), Some(BodyOutcome::Malformed)) => HandlerOutcome::Malformed,
            (Ok(Poll::Pending), None) => {
                // Most handlers answer in their first poll, so the timer is made after it.
                let timeout = effective_timeout(this.context.as_deref(), *this.timeout);
                let Some(timeout) = timeout else {
                    return Poll::Pending;
                };
                let (began, armed) = *this.armed.get_or_insert_with(|| (Instant::now(), timeout));
                if this.deadline.is_none() || armed != timeout {
                    // The route may set its timeout after the first poll, behind a layer that waits.
                    *this.armed = Some((began, timeout));
                    *this.is_final = false;
                    this.deadline.set(Some(sleep_until(began + timeout)));
                }
                let deadline = this.deadline.as_mut().as_pin_mut();
                match deadline.map(|it| late_timer::poll_timer(it, this.is_final, cx)) {
                    Some(Poll::Ready(())) => HandlerOutcome::TimedOut,
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

/// The timeout of the route, or else that of the service.
fn effective_timeout(
    context: Option<&RequestContext>,
    service: Option<Duration>,
) -> Option<Duration> {
    let by_route = context.map(|context| context.request_timeout);
    match by_route.unwrap_or_default() {
        TimeoutOverride::Inherit => service,
        TimeoutOverride::Off => None,
        TimeoutOverride::After(timeout) => Some(timeout),
    }
}

/// Runs code of the application, with its request in the slot, and catches a panic.
pub(super) fn run<T>(
    context: &mut Option<Box<RequestContext>>,
    work: impl FnOnce() -> T,
) -> Result<T, CaughtPanic> {
    request::enter(context, || catch(work))
}

/// Like [`run`], for code that may block its thread. The watchdog can then name the request.
pub(super) fn run_noted<T>(
    context: &mut Option<Box<RequestContext>>,
    work: impl FnOnce() -> T,
) -> Result<T, CaughtPanic> {
    request::enter_noted(context, || catch(work))
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, poll_fn},
        pin::pin,
    };

    use http::HeaderValue;
    use tokio::time::advance;

    use super::*;
    use crate::{request::RequestId, trace::RequestTrace};

    const TIMEOUT: Duration = Duration::from_secs(5);

    async fn is_pending<F>(mut handler: Pin<&mut Handler<F>>) -> bool
    where
        F: Future<Output = Result<(), Infallible>>,
    {
        poll_fn(|cx| Poll::Ready(handler.as_mut().poll_outcome(cx).is_pending())).await
    }

    /// SRV-1
    #[tokio::test(start_paused = true)]
    async fn changed_timeout_is_extended_after_an_extension() {
        let id = RequestId::sent(HeaderValue::from_static("id"));
        let context = RequestContext::of(&id, &RequestTrace::default());
        let future = pending::<Result<(), Infallible>>();
        let handler = Handler::new(future, Some(Box::new(context)), Some(TIMEOUT));
        let mut handler = pin!(handler);
        assert!(is_pending(handler.as_mut()).await);
        advance(TIMEOUT * 2).await;
        assert!(
            is_pending(handler.as_mut()).await,
            "the deadline is extended"
        );

        let by_route = TimeoutOverride::After(TIMEOUT * 4);
        if let Some(context) = handler.as_mut().project().context {
            context.request_timeout = by_route;
        }
        assert!(is_pending(handler.as_mut()).await);
        advance(TIMEOUT * 4).await;
        assert!(
            is_pending(handler.as_mut()).await,
            "the new deadline is extended"
        );
        advance(TIMEOUT).await;
        assert!(!is_pending(handler.as_mut()).await, "it is extended once");
    }
}
