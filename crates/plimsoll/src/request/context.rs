//! The context of the current request, in a thread-local slot that is set around each poll.
//!
//! A poll is synchronous and stays on its thread. So extractors, `tracing` events and the panic hook
//! find the request without a parameter, a lock or an allocation. Each poll moves one pointer into the
//! slot and out of it.
//!
//! A task that a handler starts is polled separately, with an empty slot. Start it with [`spawn`], or
//! wrap its future in [`in_request`].

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

use super::{BeganAt, BodyLimits, DebugRecords, EntryId, PolledSlot, RequestId, RequestSource};
use crate::trace::{self, RequestTrace, SpanContext};

/// The context of a request, the content of the slot.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    /// The state of the edge while the handler runs. Its type is defined in a higher layer.
    pub(crate) service: Option<Arc<dyn Any + Send + Sync>>,
    pub(crate) request_id: RequestId,
    pub(crate) began: BeganAt,
    /// The request's entry in the table of requests in flight.
    pub(crate) entry: Option<EntryId>,
    pub(crate) client_ip: Option<IpAddr>,
    /// The scheme and the forwarded headers; `None` outside the edge.
    pub(crate) source: Option<RequestSource>,
    /// The index of the matched route, once the router has found it.
    pub(crate) route: u32,
    /// Whether axum answers with its own 404 or 405, without code of the service.
    pub(crate) is_default_answer: bool,
    /// The timeout of the route.
    pub(crate) request_timeout: TimeoutOverride,
    /// The limits of the request body, if there is one.
    pub(crate) body: Option<Arc<BodyLimits>>,
    /// The trace of the request.
    pub(crate) trace: RequestTrace,
    /// The records that are kept until the request ends, with `DEBUG_ON_ERROR`.
    pub(crate) debug_records: Option<Arc<DebugRecords>>,
}

/// The timeout that a route sets instead of `REQUEST_TIMEOUT`.
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
    /// A context with an id and a trace only.
    pub(crate) fn of(request_id: &RequestId, trace: &RequestTrace) -> Self {
        Self {
            service: None,
            request_id: request_id.clone(),
            began: BeganAt::default(),
            entry: None,
            client_ip: None,
            source: None,
            route: 0,
            is_default_answer: false,
            request_timeout: TimeoutOverride::Inherit,
            body: None,
            trace: trace.clone(),
            debug_records: None,
        }
    }
}

thread_local! {
    // Boxed, so that a poll moves a pointer only.
    static CURRENT: RefCell<Option<Box<RequestContext>>> = const { RefCell::new(None) };
    // The request that a worker polls. Other threads have no such slot.
    static POLLED: OnceCell<Arc<PolledSlot>> = const { OnceCell::new() };
}

/// Makes this thread of a worker note the requests that it polls from now on, and returns the slot for
/// them.
pub(crate) fn note_polled(worker: u16) -> Arc<PolledSlot> {
    let slot = || Arc::new(PolledSlot::new(worker));
    POLLED.with(|polled| Arc::clone(polled.get_or_init(slot)))
}

/// Returns the worker whose thread this is.
pub(super) fn current_worker() -> Option<u16> {
    let worker = POLLED.try_with(|polled| polled.get().map(|polled| polled.worker));
    worker.ok().flatten()
}

/// Runs `work` with `context` in the slot, and restores the previous content.
///
/// `work` may change the context. It must not unwind, so wrap code that may panic.
pub(crate) fn enter<T>(context: &mut Option<Box<RequestContext>>, work: impl FnOnce() -> T) -> T {
    let outer = CURRENT.replace(context.take());
    let result = work();
    *context = CURRENT.replace(outer);
    result
}

/// Like [`enter`], for work that may block the thread. The watchdog then names the request.
pub(crate) fn enter_noted<T>(
    context: &mut Option<Box<RequestContext>>,
    work: impl FnOnce() -> T,
) -> T {
    POLLED.with(|polled| {
        let polled = polled.get();
        if let (Some(polled), Some(request)) = (polled, &*context) {
            polled.note(request.request_id.as_bytes(), request.route, request.began);
        }
        let result = enter(context, work);
        if let Some(polled) = polled {
            polled.clear();
        }
        result
    })
}

/// Sets the route of the current request, and applies `change`.
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

/// Calls `change` with the context, if this runs inside a request.
pub(crate) fn with_current<T>(change: impl FnOnce(&mut RequestContext) -> T) -> Option<T> {
    CURRENT.with_borrow_mut(|current| current.as_deref_mut().map(change))
}

/// Calls `get` with the context, if this runs inside a request and the thread does not exit.
pub(super) fn read<T>(get: impl FnOnce(&RequestContext) -> T) -> Option<T> {
    let value = CURRENT.try_with(|current| {
        let current = current.try_borrow().ok()?;
        current.as_deref().map(get)
    });
    value.ok().flatten()
}

/// Calls `work` with the id of the current request, or with `-` outside a request (contract RID-3).
pub(crate) fn with_request_id<T>(work: impl FnOnce(&str) -> T) -> T {
    // The slot is not borrowed while `work` runs, as `work` may use it too.
    match RequestId::current() {
        Some(id) => work(id.as_str()),
        None => work("-"),
    }
}

/// The context of the innermost sampled span around the running code (contract LOG-14).
pub(crate) fn recorded_span() -> Option<SpanContext> {
    match read(|request| request.trace.recorded()) {
        // A span of another trace may be entered on this thread. It is ignored.
        Some(request) => trace::innermost()
            .filter(|span| request.is_some_and(|request| span.is_same_trace(&request)))
            .or(request),
        None => trace::innermost(),
    }
}

/// The trace of the current request.
#[cfg(feature = "otlp")]
pub(super) fn trace() -> Option<RequestTrace> {
    read(|request| request.trace.clone())
}

/// Spawns a task in the context of the current request. Its log records carry the id of the request.
///
/// The task continues after the end of the request, and shutdown does not wait for it. If work must be
/// complete before the process ends, await it in the handler or in a hook of
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

/// Wraps a future so that it runs in the context of the current request wherever it is polled.
///
/// Outside a request this has no effect.
///
/// ```
/// # async fn handler() {
/// let work = plimsoll::in_request(async { /* its records have the request's id */ });
/// tokio::task::JoinSet::new().spawn(work);
/// # }
/// ```
pub fn in_request<F: Future>(future: F) -> InRequest<F> {
    let context = CURRENT.with_borrow(|current| {
        // A task may outlive the handler, so it does not keep the state of the edge and the body alive.
        current.as_deref().map(|c| {
            Box::new(RequestContext {
                service: None,
                body: None,
                // The entry is free when the request has ended.
                entry: None,
                ..c.clone()
            })
        })
    });
    InRequest { future, context }
}

pin_project! {
    /// A future that runs in the context of a request. Created by [`in_request`].
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
        /// Restores the slot, also if the future panics.
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
        let id = RequestId::sent(HeaderValue::from_static(id));
        let context = RequestContext::of(&id, &RequestTrace::default());
        Some(Box::new(context))
    }

    fn current() -> String {
        with_request_id(str::to_owned)
    }

    #[test]
    fn slot_is_restored_after_nesting() {
        assert_eq!(current(), "-");
        enter(&mut context("outer"), || {
            assert_eq!(current(), "outer");
            enter(&mut context("inner"), || assert_eq!(current(), "inner"));
            assert_eq!(current(), "outer");
        });
        assert_eq!(current(), "-");
    }

    #[test]
    fn changes_of_the_context_are_returned() {
        let mut slot = context("one");
        enter(&mut slot, || with_current(|current| current.route = 7));
        assert_eq!(slot.map(|c| c.route), Some(7));
        assert!(with_current(|_| ()).is_none());
    }

    #[tokio::test]
    async fn only_wrapped_future_keeps_the_request() {
        let (wrapped, bare) = enter(&mut context("one"), || {
            (in_request(async { current() }), async { current() })
        });
        assert_eq!(tokio::spawn(wrapped).await.unwrap(), "one");
        assert_eq!(tokio::spawn(bare).await.unwrap(), "-");
    }

    #[test]
    fn panic_in_wrapped_future_restores_the_slot() {
        let mut wrapped = Box::pin(enter(&mut context("one"), || {
            in_request(async { panic!("thrown") })
        }));
        let mut cx = task::Context::from_waker(task::Waker::noop());
        let poll = std::panic::AssertUnwindSafe(|| wrapped.as_mut().poll(&mut cx));
        assert!(std::panic::catch_unwind(poll).is_err());
        assert_eq!(current(), "-");
    }
}
