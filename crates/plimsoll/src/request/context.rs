//! What is known of the request that the running code works for: a slot of the thread, filled
//! around each poll.
//!
//! A poll is synchronous and stays on its thread, so whoever asks from inside one — an extractor, a
//! `tracing` event, the panic hook — finds the request without a parameter, a lock or an
//! allocation. Requests that never ask pay for moving a small struct in and out.
//!
//! A task that a handler starts is polled by itself and would find the slot empty: start it with
//! [`spawn`], or wrap its future in [`in_request`].

use std::{
    any::Any,
    cell::{OnceCell, RefCell},
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::task::JoinHandle;

use super::{BodyLimits, PolledSlot, RequestId, RequestSource};
use crate::trace::{self, RequestTrace, SpanContext};

/// The slot's content.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    /// The state of the edge while the handler runs. Its type belongs to a module above this one.
    pub(crate) service: Option<Arc<dyn Any + Send + Sync>>,
    pub(crate) request_id: RequestId,
    pub(crate) client_ip: Option<IpAddr>,
    /// How it came here.
    pub(crate) source: Option<RequestSource>,
    /// The index of the matched route, once the router has found it.
    pub(crate) route: u32,
    /// Whether axum's own 404 or 405 answers, and no code of the service.
    pub(crate) is_default_answer: bool,
    /// What a route sets in the place of `REQUEST_TIMEOUT`.
    pub(crate) request_timeout: TimeoutOverride,
    /// The request's body, if it has one.
    pub(crate) body: Option<Arc<BodyLimits>>,
    /// Its place in a trace.
    pub(crate) trace: RequestTrace,
}

/// What a route sets in the place of `REQUEST_TIMEOUT`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TimeoutOverride {
    /// `REQUEST_TIMEOUT` applies.
    #[default]
    Inherit,
    /// No timeout applies.
    Off,
    /// This timeout applies.
    After(Duration),
}

impl RequestContext {
    /// A context that knows nothing but the id and the trace.
    pub(crate) fn of(request_id: &RequestId, trace: &RequestTrace) -> Self {
        Self {
            service: None,
            request_id: request_id.clone(),
            client_ip: None,
            source: None,
            route: 0,
            is_default_answer: false,
            request_timeout: TimeoutOverride::Inherit,
            body: None,
            trace: trace.clone(),
        }
    }
}

thread_local! {
    // In a box, so that what moves in and out around each poll is a pointer.
    static CURRENT: RefCell<Option<Box<RequestContext>>> = const { RefCell::new(None) };
    // Where the requests are noted that a worker polls; other threads note nothing.
    static POLLED: OnceCell<Arc<PolledSlot>> = const { OnceCell::new() };
}

/// Has this thread note the requests that it polls, from now on, and returns where.
pub(crate) fn note_polled() -> Arc<PolledSlot> {
    POLLED.with(|polled| Arc::clone(polled.get_or_init(Arc::default)))
}

/// Runs `work` with `context` in the slot, which may change it, and restores what was there.
///
/// `work` must not unwind: wrap what may panic.
pub(crate) fn enter<T>(context: &mut Option<Box<RequestContext>>, work: impl FnOnce() -> T) -> T {
    let outer = CURRENT.replace(context.take());
    let result = work();
    *context = CURRENT.replace(outer);
    result
}

/// Like [`enter`], for work that may block its thread: the watchdog names the request then.
pub(crate) fn enter_noted<T>(
    context: &mut Option<Box<RequestContext>>,
    work: impl FnOnce() -> T,
) -> T {
    POLLED.with(|polled| {
        let polled = polled.get();
        if let (Some(polled), Some(request)) = (polled, &*context) {
            polled.note(request.request_id.as_str().as_bytes(), request.route);
        }
        let result = enter(context, work);
        if let Some(polled) = polled {
            polled.clear();
        }
        result
    })
}

/// Sets the route of the current request, and makes more changes.
pub(crate) fn set_route(route: u32, change: impl FnOnce(&mut RequestContext)) {
    with_current(|current| {
        current.route = route;
        change(current);
    });
    POLLED.with(|polled| {
        if let Some(polled) = polled.get() {
            polled.set_route(route);
        }
    });
}

/// Changes what is in the slot, if this runs inside a request.
pub(crate) fn with_current<T>(change: impl FnOnce(&mut RequestContext) -> T) -> Option<T> {
    CURRENT.with_borrow_mut(|current| current.as_deref_mut().map(change))
}

/// Reads the slot, if this runs inside a request and the thread has not begun to exit.
pub(super) fn read<T>(get: impl FnOnce(&RequestContext) -> T) -> Option<T> {
    let value = CURRENT.try_with(|current| {
        let current = current.try_borrow().ok()?;
        current.as_deref().map(get)
    });
    value.ok().flatten()
}

/// Calls `work` with the id of the current request, or `-` outside of any (contract RID-3).
pub(crate) fn with_request_id<T>(work: impl FnOnce(&str) -> T) -> T {
    // The slot is left before `work` runs, which may come back here.
    match RequestId::current() {
        Some(id) => work(id.as_str()),
        None => work("-"),
    }
}

/// The place of the running code in a trace that is recorded: its innermost span (contract LOG-14).
pub(crate) fn recorded_span() -> Option<SpanContext> {
    match read(|request| request.trace.recorded()) {
        // A request that is not recorded has no span around it, but maybe that of somebody else.
        Some(request) => trace::innermost()
            .filter(|span| request.is_some_and(|request| span.is_of(&request)))
            .or(request),
        None => trace::innermost(),
    }
}

/// The trace of the current request.
#[cfg(feature = "otlp")]
pub(super) fn trace() -> Option<RequestTrace> {
    read(|request| request.trace.clone())
}

/// Starts a task that belongs to the current request: its records carry the request's id.
///
/// The task goes on when the request has ended, and shutdown does not wait for it. What must be
/// finished before the process ends is awaited by the handler, or by a hook of
/// [`Handle::on_shutdown`](crate::Handle::on_shutdown).
///
/// # Panics
///
/// Outside a tokio runtime, like [`tokio::spawn`].
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(in_request(future))
}

/// Wraps a future so that it belongs to the current request wherever it is polled.
///
/// Outside a request the future is left as it is.
///
/// ```
/// # async fn handler() {
/// let work = plimsoll::in_request(async { /* its records have the request's id */ });
/// tokio::task::JoinSet::new().spawn(work);
/// # }
/// ```
pub fn in_request<F: Future>(future: F) -> InRequest<F> {
    let context = CURRENT.with_borrow(|current| {
        // The body and the limits are the handler's: a task that outlives it must not hold them.
        current.as_deref().map(|c| {
            Box::new(RequestContext {
                service: None,
                body: None,
                ..c.clone()
            })
        })
    });
    InRequest { future, context }
}

pin_project! {
    /// A future that belongs to a request. Made by [`in_request`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct InRequest<F> {
        #[pin]
        future: F,
        context: Option<Box<RequestContext>>,
    }
}

impl<F: Future> Future for InRequest<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        /// Restores the slot when a panic goes through, too.
        struct Outer<'a>(
            Option<Box<RequestContext>>,
            &'a mut Option<Box<RequestContext>>,
        );
        impl Drop for Outer<'_> {
            fn drop(&mut self) {
                *self.1 = CURRENT.replace(self.0.take());
            }
        }
        let this = self.project();
        if this.context.is_none() {
            return this.future.poll(cx);
        }
        let _outer = Outer(CURRENT.replace(this.context.take()), this.context);
        this.future.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn context(id: &'static str) -> Option<Box<RequestContext>> {
        let id = RequestId::new(HeaderValue::from_static(id));
        let context = RequestContext::of(&id, &RequestTrace::default());
        Some(Box::new(context))
    }

    fn current() -> String {
        with_request_id(str::to_owned)
    }

    #[test]
    fn the_slot_is_empty_outside_and_restored_after_nesting() {
        assert_eq!(current(), "-");
        enter(&mut context("outer"), || {
            assert_eq!(current(), "outer");
            enter(&mut context("inner"), || assert_eq!(current(), "inner"));
            assert_eq!(current(), "outer");
        });
        assert_eq!(current(), "-");
    }

    #[test]
    fn changes_made_inside_come_back() {
        let mut slot = context("one");
        enter(&mut slot, || with_current(|current| current.route = 7));
        assert_eq!(slot.map(|c| c.route), Some(7));
        assert!(with_current(|_| ()).is_none());
    }

    #[tokio::test]
    async fn a_wrapped_future_keeps_the_request_and_a_bare_one_does_not() {
        let (wrapped, bare) = enter(&mut context("one"), || {
            (in_request(async { current() }), async { current() })
        });
        assert_eq!(tokio::spawn(wrapped).await.unwrap(), "one");
        assert_eq!(tokio::spawn(bare).await.unwrap(), "-");
    }

    #[test]
    fn a_panic_in_a_wrapped_future_leaves_the_slot_clean() {
        let mut wrapped = Box::pin(enter(&mut context("one"), || {
            in_request(async { panic!("thrown") })
        }));
        let mut cx = task::Context::from_waker(task::Waker::noop());
        let poll = std::panic::AssertUnwindSafe(|| wrapped.as_mut().poll(&mut cx));
        assert!(std::panic::catch_unwind(poll).is_err());
        assert_eq!(current(), "-");
    }
}
