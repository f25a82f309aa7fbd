//! The response body: its last byte, or its drop, ends the request.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body as AxumBody;
use bytes::Bytes;
use http::{HeaderMap, Method, Version, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    content::grpc_status,
    handler::{run, run_noted},
    request_guard::RequestGuard,
};
use crate::{request::RequestContext, shutdown::ShutdownFuture};

pin_project! {
    /// A body that holds the guard of its request until the connection has the last byte.
    ///
    /// A panic inside the body is an error of the body. The connection is closed, so the client does
    /// not mistake the part that it has for the whole.
    pub struct ResponseBody<B> {
        #[pin]
        content: Content<B>,
        guard: Option<Box<RequestGuard>>,
        context: Option<Box<RequestContext>>,
        // The bytes that are still to come, if the head declares a length.
        remaining: Option<u64>,
        // The most bytes that the connection gets at a time.
        max_chunk: usize,
        // The rest of a larger frame.
        remainder: Bytes,
        // Whether the body must not be sent, although hyper would send it.
        is_suppressed: bool,
        // When the body of an event stream is ended.
        end: Option<ShutdownFuture>,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let guard = this.guard.take();
            // A body of the application may log or panic while it is dropped.
            let dropped = run(this.context, || this.content.set(Content::Empty));
            let Some(guard) = guard else { return };
            if let Err(caught) = dropped {
                guard.count_panic(&caught);
            }
            if *this.remaining == Some(0) {
                guard.complete();
            }
        }
    }
}

pin_project! {
    #[project = ContentProjection]
    enum Content<B> {
        Handler { #[pin] body: B },
        Edge { #[pin] body: AxumBody },
        Empty,
    }
}

impl<B: Body> ResponseBody<B> {
    /// The body of a response that a handler has made.
    pub(super) fn from_handler(
        body: B,
        headers: &HeaderMap,
        guard: Box<RequestGuard>,
        context: Option<Box<RequestContext>>,
    ) -> Self {
        let remaining = remaining(&guard, headers, &body);
        let content = Content::Handler { body };
        Self {
            content,
            max_chunk: max_chunk(&guard),
            is_suppressed: is_suppressed(&guard),
            end: None,
            guard: Some(guard),
            context,
            remaining,
            remainder: Bytes::new(),
        }
    }

    /// Ends the body, complete, as soon as `end` is ready.
    pub(super) fn end_when(&mut self, end: impl Future<Output = ()> + Send + 'static) {
        self.end = Some(Box::pin(end));
    }

    /// An empty body for a dead connection.
    pub(super) fn empty() -> Self {
        Self {
            content: Content::Empty,
            guard: None,
            context: None,
            remaining: Some(0),
            max_chunk: usize::MAX,
            remainder: Bytes::new(),
            is_suppressed: false,
            end: None,
        }
    }

    /// The body of a response that the chassis itself has made.
    pub(super) fn from_edge(body: AxumBody, headers: &HeaderMap, guard: Box<RequestGuard>) -> Self {
        let remaining = remaining(&guard, headers, &body);
        let content = Content::Edge { body };
        Self {
            content,
            max_chunk: max_chunk(&guard),
            is_suppressed: is_suppressed(&guard),
            end: None,
            guard: Some(guard),
            context: None,
            remaining,
            remainder: Bytes::new(),
        }
    }
}

/// The most bytes of a response body that the connection gets at a time.
///
/// Over HTTP/1, hyper polls the body when the client has accepted the previous bytes. Over HTTP/2, h2
/// buffers each frame until the client opens a window, so a large frame would end the request long
/// before it is sent.
fn max_chunk(guard: &RequestGuard) -> usize {
    const FRAME: usize = 16 * 1024;
    if guard.version == Version::HTTP_2 {
        FRAME
    } else {
        usize::MAX
    }
}

/// Whether a response has no body by its method or status.
fn is_bodiless(guard: &RequestGuard) -> bool {
    let status = guard.status.unwrap_or(0);
    guard.method == Method::HEAD || matches!(status, 100..=199 | 204 | 304)
}

/// Whether a body must be suppressed here. Over HTTP/1 hyper does so itself, and still declares the
/// length of the body.
fn is_suppressed(guard: &RequestGuard) -> bool {
    guard.version == Version::HTTP_2 && is_bodiless(guard)
}

/// The length of the body in bytes; `None` if only its end shows it.
fn remaining(guard: &RequestGuard, headers: &HeaderMap, body: &impl Body) -> Option<u64> {
    if is_bodiless(guard) {
        return Some(0);
    }
    let declared = || {
        headers
            .get(header::CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    };
    body.size_hint().exact().or_else(declared)
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let mut this = self.project();
        if let Some(end) = this.end.as_mut()
            && end.as_mut().poll(cx).is_ready()
        {
            *this.end = None;
            if let Err(caught) = run(this.context, || this.content.set(Content::Empty))
                && let Some(guard) = this.guard.as_ref()
            {
                guard.count_panic(&caught);
            }
        }
        let poll = match this.content.as_mut().project() {
            _ if !this.remainder.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(this.remainder)))))
            }
            ContentProjection::Handler { body } => {
                let poll = || body.poll_frame(cx).map_err(Into::into);
                // A body of a known length rarely blocks, so the watchdog need not name its request.
                let polled = match this.remaining {
                    Some(_) => run(this.context, poll),
                    None => run_noted(this.context, poll),
                };
                match polled {
                    Ok(poll) => {
                        if let Some(guard) = this.guard.as_mut() {
                            match &poll {
                                Poll::Pending => guard.resume_slot(),
                                Poll::Ready(_) => guard.suspend_slot(),
                            }
                        }
                        poll
                    }
                    Err(caught) => {
                        if let Some(guard) = this.guard.as_ref() {
                            guard.count_panic(&caught);
                        }
                        Poll::Ready(Some(Err("the body panicked".into())))
                    }
                }
            }
            ContentProjection::Edge { body } => body.poll_frame(cx).map_err(Into::into),
            ContentProjection::Empty => Poll::Ready(None),
        };
        let frame = match ready!(poll) {
            Some(Ok(frame))
                if frame
                    .data_ref()
                    .is_some_and(|data| data.len() > *this.max_chunk) =>
            {
                // The condition of this arm has found data.
                let mut data = frame.into_data().unwrap_or_default();
                *this.remainder = data.split_off(*this.max_chunk);
                Some(Ok(Frame::data(data)))
            }
            frame => frame,
        };
        match &frame {
            Some(Ok(frame)) => {
                let ended = if let Some(data) = frame.data_ref() {
                    if let Some(remaining) = this.remaining.as_mut() {
                        *remaining = remaining.saturating_sub(data.len() as u64);
                    }
                    let ended = match &*this.content {
                        Content::Handler { body } => body.is_end_stream(),
                        Content::Edge { body } => body.is_end_stream(),
                        Content::Empty => true,
                    };
                    // gRPC may send trailers after the last byte. If the connection accepts none, it
                    // drops the body.
                    let may_have_trailers = || this.guard.as_ref().is_some_and(|it| it.is_grpc);
                    ended && this.remainder.is_empty()
                        || *this.remaining == Some(0) && !may_have_trailers()
                } else {
                    if let (Some(guard), Some(trailers)) =
                        (this.guard.as_mut(), frame.trailers_ref())
                        && guard.is_grpc
                    {
                        guard.grpc_status = grpc_status(trailers).or(guard.grpc_status);
                    }
                    // Trailers are the last frame; the connection may not poll again.
                    this.remaining.is_none_or(|remaining| remaining == 0)
                };
                if ended && let Some(guard) = this.guard.take() {
                    guard.complete();
                }
            }
            Some(Err(_)) => {
                let guard = this.guard.take();
                // An error is final: a body that has panicked must not be polled again.
                let dropped = run(this.context, || this.content.set(Content::Empty));
                if let (Err(caught), Some(guard)) = (dropped, guard) {
                    guard.count_panic(&caught);
                }
            }
            // A body shorter than its declared length is an aborted response.
            None if this.remaining.is_some_and(|remaining| remaining > 0) => {
                drop(this.guard.take());
            }
            None => {
                if let Some(guard) = this.guard.take() {
                    guard.complete();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        if self.is_suppressed {
            return true;
        }
        if !self.remainder.is_empty() {
            return false;
        }
        match &self.content {
            Content::Handler { body } => body.is_end_stream(),
            Content::Edge { body } => body.is_end_stream(),
            Content::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = match &self.content {
            Content::Handler { body } => body.size_hint(),
            Content::Edge { body } => body.size_hint(),
            Content::Empty => SizeHint::with_exact(0),
        };
        let remainder = self.remainder.len() as u64;
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(remainder));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(remainder)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}
