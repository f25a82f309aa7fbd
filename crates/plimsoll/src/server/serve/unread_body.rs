//! Request bodies over HTTP/1 that a handler leaves unread (contract SRV-3).
//!
//! If a request body is dropped before its end, hyper closes the connection without announcing it in
//! the response. A proxy that keeps the connection alive then loses the next request, perhaps of
//! another client. So it is decided before the head of the response whether the connection is kept:
//!
//! | rest of the body | connection |
//! |---|---|
//! | at most 64 KiB by its `Content-Length` | kept; the rest is discarded while the response is sent |
//! | chunked, and its end has arrived | kept |
//! | larger, or chunked and incomplete | closed, announced by `Connection: close` |
//! | not sent, because the client waits for `100 Continue` | closed, announced by `Connection: close` |
//!
//! If the response or a task keeps the body after the head, the rest is discarded when the body is
//! dropped, within the same limits. If it exceeds them, the connection closes.

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

/// A request body that passes its rest to the connection state when it is dropped.
pub(super) struct IncomingBody {
    /// `Some` until the drop.
    incoming: Option<Incoming>,
    /// `Some` until the body has been read to its end.
    watch: Option<UnreadWatch>,
}

/// What the drop of a body needs to decide on the connection.
struct UnreadWatch {
    state: Arc<ConnectionState>,
    /// The number of the body, from [`ConnectionState::body_began`].
    number: u32,
    /// The client keeps the connection after this request.
    keeps_alive: bool,
    /// The client waits for `100 Continue`: it asked for it, and no frame has arrived.
    is_waiting: bool,
}

/// Wraps the body of a request that has one.
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

/// Returns true if a header with a list of tokens contains `token`.
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
                // No further request can be read, and the client may still be sending.
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
    /// Delays the response to a request until it is decided whether the connection is kept.
    pub(super) struct SettledResponse<F, B> {
        #[pin]
        future: F,
        response: Option<Box<Response<B>>>,
        // `Some` if the request has a body.
        state: Option<Arc<ConnectionState>>,
        // hyper has been polled since the last frame of the body was discarded.
        has_waited: bool,
    }
}

impl<F, B> SettledResponse<F, B> {
    pub(super) fn new(future: F, state: Option<Arc<ConnectionState>>) -> Self {
        Self {
            future,
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
            return this.future.poll(cx);
        };
        let mut response = match this.response.take() {
            Some(response) => *response,
            None => match ready!(this.future.poll(cx)) {
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
