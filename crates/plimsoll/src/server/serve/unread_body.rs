//! Request bodies over HTTP/1 that a handler leaves unread (contract SRV-3).
//!
//! hyper closes a connection whose request body is dropped before its end, without a word in the
//! response. A proxy that keeps the connection alive then loses the next request, which may belong to
//! another client. So the fate of the connection is decided before the head of the response is sent:
//!
//! | the rest of the body | the connection |
//! |---|---|
//! | at most 64 KiB by its `Content-Length` | stays open; the rest is discarded beside the response |
//! | chunked, and its end has arrived | stays open |
//! | larger, or chunked and incomplete | is announced to close |
//! | held back by a client that waits for `100 Continue` | is announced to close |
//!
//! A body that is kept beyond the head, by the response or by a task, is discarded within the same
//! limits when it is dropped; where they are exceeded the connection closes.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use crate::connection::{ConnectionState, UnreadBody};

/// A request's body whose rest is left to its connection when it is dropped.
pub(super) struct IncomingBody {
    /// `Some` until the drop.
    incoming: Option<Incoming>,
    /// `Some` until the body has been read.
    watch: Option<UnreadWatch>,
}

struct UnreadWatch {
    state: Arc<ConnectionState>,
    number: u32,
    /// The client does not close the connection after this request.
    keeps_alive: bool,
    /// The client waits for `100 Continue`, as far as is known.
    is_waiting: bool,
}

/// Watches the body of a request that has one.
pub(super) fn watch(
    request: Request<Incoming>,
    state: &Arc<ConnectionState>,
) -> Request<IncomingBody> {
    let watch = UnreadWatch {
        state: Arc::clone(state),
        number: state.body_began(true),
        keeps_alive: request.version() == Version::HTTP_11
            && !has_token(request.headers(), &header::CONNECTION, "close"),
        is_waiting: has_token(request.headers(), &header::EXPECT, "100-continue"),
    };
    request.map(|incoming| IncomingBody {
        incoming: Some(incoming),
        watch: Some(watch),
    })
}

/// Whether a list in a header has a token.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

impl Body for IncomingBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(&mut *incoming).poll_frame(cx));
        let has_more = matches!(&frame, Some(Ok(_))) && !incoming.is_end_stream();
        if has_more {
            if let Some(watch) = &mut self.watch {
                watch.is_waiting = false;
            }
        } else if let Some(watch) = self.watch.take() {
            match &frame {
                // Nothing behind it can be read, and its client may still be sending.
                Some(Err(_)) => watch.state.body_dropped(watch.number, None),
                _ => watch.state.body_read(watch.number),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let known = self.incoming.as_ref().map(Body::size_hint);
        known.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}

impl Drop for IncomingBody {
    fn drop(&mut self) {
        let Some(watch) = self.watch.take() else {
            return;
        };
        let rest = self.incoming.take();
        let rest = rest.filter(|_| watch.keeps_alive && !watch.is_waiting);
        watch.state.body_dropped(watch.number, rest);
    }
}

pin_project! {
    /// The response to one request, held until it is known what becomes of its connection.
    pub(super) struct SettledResponse<F, B> {
        #[pin]
        answer: F,
        response: Option<Box<Response<B>>>,
        // There if the request has a body.
        state: Option<Arc<ConnectionState>>,
        // hyper has been polled since the last piece of the body was discarded.
        has_waited: bool,
    }
}

impl<F, B> SettledResponse<F, B> {
    pub(super) fn new(answer: F, state: Option<Arc<ConnectionState>>) -> Self {
        Self {
            answer,
            response: None,
            state,
            has_waited: false,
        }
    }
}

impl<F, B> Future for SettledResponse<F, B>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(state) = this.state else {
            return this.answer.poll(cx);
        };
        let mut response = match this.response.take() {
            Some(response) => *response,
            None => match ready!(this.answer.poll(cx)) {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        let is_last = response.status() == StatusCode::SWITCHING_PROTOCOLS
            || has_token(response.headers(), &header::CONNECTION, "close");
        match state.settle_body(cx, is_last, this.has_waited) {
            Poll::Pending => {
                *this.response = Some(Box::new(response));
                return Poll::Pending;
            }
            Poll::Ready(UnreadBody::Close) if !is_last => {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Poll::Ready(_) => {}
        }
        Poll::Ready(Ok(response))
    }
}
