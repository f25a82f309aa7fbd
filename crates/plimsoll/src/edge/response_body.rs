//! The answer's body: its last byte, or its drop, ends the request.

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
    content,
    handler::{guard, guard_noted},
    request_guard::RequestGuard,
};
use crate::{request::RequestContext, shutdown::ShutdownFuture};

pin_project! {
    /// A body that keeps the account of its request open until it has been handed over.
    ///
    /// A panic inside the body is an error of the body: the connection is closed, and the client
    /// does not take the part it has for the whole.
    pub struct ResponseBody<B> {
        #[pin]
        content: Content<B>,
        account: Option<Box<RequestGuard>>,
        context: Option<Box<RequestContext>>,
        // What the head says is still to come, if it says so.
        remaining: Option<u64>,
        // What the connection gets at a time, and what is left of a larger piece.
        at_once: usize,
        left: Bytes,
        // Nothing of it may be sent, and hyper would.
        unsent: bool,
        // When the body of an event stream is ended.
        end: Option<ShutdownFuture>,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let account = this.account.take();
            // A body of the service's own may log or panic while it is dropped.
            let dropped = guard(this.context, || this.content.set(Content::Gone));
            let Some(account) = account else { return };
            if let Err(caught) = dropped {
                account.count_panic(&caught);
            }
            if *this.remaining == Some(0) {
                account.complete();
            }
        }
    }
}

pin_project! {
    #[project = ContentProjection]
    enum Content<B> {
        Theirs { #[pin] body: B },
        Ours { #[pin] body: AxumBody },
        Gone,
    }
}

impl<B: Body> ResponseBody<B> {
    /// What the handler answered.
    pub(super) fn from_handler(
        body: B,
        headers: &HeaderMap,
        account: Box<RequestGuard>,
        context: Option<Box<RequestContext>>,
    ) -> Self {
        let remaining = remaining(&account, headers, &body);
        let content = Content::Theirs { body };
        Self {
            content,
            at_once: at_once(&account),
            unsent: is_unsent(&account),
            end: None,
            account: Some(account),
            context,
            remaining,
            left: Bytes::new(),
        }
    }

    /// Ends the body, complete, as soon as `end` is ready.
    pub(super) fn end_when(&mut self, end: impl Future<Output = ()> + Send + 'static) {
        self.end = Some(Box::pin(end));
    }

    /// What nobody will read.
    pub(super) fn nothing() -> Self {
        Self {
            content: Content::Gone,
            account: None,
            context: None,
            remaining: Some(0),
            at_once: usize::MAX,
            left: Bytes::new(),
            unsent: false,
            end: None,
        }
    }

    /// What the chassis answered.
    pub(super) fn from_edge(
        body: AxumBody,
        headers: &HeaderMap,
        account: Box<RequestGuard>,
    ) -> Self {
        let remaining = remaining(&account, headers, &body);
        let content = Content::Ours { body };
        Self {
            content,
            at_once: at_once(&account),
            unsent: is_unsent(&account),
            end: None,
            account: Some(account),
            context: None,
            remaining,
            left: Bytes::new(),
        }
    }
}

/// What the connection gets of an answer at a time.
///
/// Over HTTP/1 it asks for more when its client has taken what there was. Over HTTP/2 it takes
/// whatever it gets, and holds it until the client opens a window: there a large piece would end the
/// request long before it is sent.
fn at_once(account: &RequestGuard) -> usize {
    const FRAME: usize = 16 * 1024;
    if account.version == Version::HTTP_2 {
        FRAME
    } else {
        usize::MAX
    }
}

/// Whether an answer is a head and nothing else, whatever its body would have.
fn is_bodiless(account: &RequestGuard) -> bool {
    let status = account.status.unwrap_or(0);
    account.method == Method::HEAD || matches!(status, 100..=199 | 204 | 304)
}

/// Whether a body must be kept back here. Over HTTP/1 hyper sees to that by itself, and tells the
/// body's length all the same.
fn is_unsent(account: &RequestGuard) -> bool {
    account.version == Version::HTTP_2 && is_bodiless(account)
}

/// How many bytes the connection will ask for; nothing if only the body's end can tell.
fn remaining(account: &RequestGuard, headers: &HeaderMap, body: &impl Body) -> Option<u64> {
    if is_bodiless(account) {
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
            if let Err(caught) = guard(this.context, || this.content.set(Content::Gone))
                && let Some(account) = this.account.as_ref()
            {
                account.count_panic(&caught);
            }
        }
        let poll = match this.content.as_mut().project() {
            _ if !this.left.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(this.left)))))
            }
            ContentProjection::Theirs { body } => {
                let poll = || body.poll_frame(cx).map_err(Into::into);
                // A body of a known length is there already, as far as is known.
                let polled = match this.remaining {
                    Some(_) => guard(this.context, poll),
                    None => guard_noted(this.context, poll),
                };
                match polled {
                    Ok(poll) => {
                        if let Some(account) = this.account.as_mut() {
                            match &poll {
                                Poll::Pending => account.resume_slot(),
                                Poll::Ready(_) => account.suspend_slot(),
                            }
                        }
                        poll
                    }
                    Err(caught) => {
                        if let Some(account) = this.account.as_ref() {
                            account.count_panic(&caught);
                        }
                        Poll::Ready(Some(Err("the body panicked".into())))
                    }
                }
            }
            ContentProjection::Ours { body } => body.poll_frame(cx).map_err(Into::into),
            ContentProjection::Gone => Poll::Ready(None),
        };
        let frame = match ready!(poll) {
            Some(Ok(frame))
                if frame
                    .data_ref()
                    .is_some_and(|data| data.len() > *this.at_once) =>
            {
                // It is data, as has just been seen.
                let mut data = frame.into_data().unwrap_or_default();
                *this.left = data.split_off(*this.at_once);
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
                        Content::Theirs { body } => body.is_end_stream(),
                        Content::Ours { body } => body.is_end_stream(),
                        Content::Gone => true,
                    };
                    // Behind the last byte of gRPC there may be trailers; if the connection takes
                    // none, it drops the body.
                    let may_have_trailers = || this.account.as_ref().is_some_and(|it| it.is_grpc);
                    ended && this.left.is_empty()
                        || *this.remaining == Some(0) && !may_have_trailers()
                } else {
                    if let (Some(account), Some(trailers)) =
                        (this.account.as_mut(), frame.trailers_ref())
                        && account.is_grpc
                    {
                        account.grpc_status = content::status(trailers).or(account.grpc_status);
                    }
                    // Trailers are the last frame, and the connection need not ask for another.
                    this.remaining.is_none_or(|remaining| remaining == 0)
                };
                if ended && let Some(account) = this.account.take() {
                    account.complete();
                }
            }
            Some(Err(_)) => {
                let account = this.account.take();
                // An error is final: nobody polls a body that has panicked again.
                let dropped = guard(this.context, || this.content.set(Content::Gone));
                if let (Err(caught), Some(account)) = (dropped, account) {
                    account.count_panic(&caught);
                }
            }
            // A body that ends before the length it was announced with leaves its client waiting.
            None if this.remaining.is_some_and(|remaining| remaining > 0) => {
                drop(this.account.take());
            }
            None => {
                if let Some(account) = this.account.take() {
                    account.complete();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        if self.unsent {
            return true;
        }
        if !self.left.is_empty() {
            return false;
        }
        match &self.content {
            Content::Theirs { body } => body.is_end_stream(),
            Content::Ours { body } => body.is_end_stream(),
            Content::Gone => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = match &self.content {
            Content::Theirs { body } => body.size_hint(),
            Content::Ours { body } => body.size_hint(),
            Content::Gone => SizeHint::with_exact(0),
        };
        let left = self.left.len() as u64;
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(left));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(left)) {
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
