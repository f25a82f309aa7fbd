//! The future of one request: from the handler to the head of the response.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body as AxumBody, response::Response as AxumResponse};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header, response,
};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    admit::admit_queued,
    content::{ContentKind, grpc_status},
    handler::{Handler, HandlerOutcome, run},
    problem::Problem,
    request_body::SizeLimit,
    request_guard::RequestGuard,
    request_id,
    response_body::ResponseBody,
    route::Routes,
};
use crate::{
    metrics::ProtocolError,
    request::{RequestContext, RequestPhase},
    shutdown::KeepOpen,
};

/// A header of every response, beside two that `http` has constants for (contract HTTP-9).
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

pin_project! {
    /// The future of a response. Returned by [`Edge`](super::Edge).
    ///
    /// Dropping it cancels the handler and ends the request as aborted.
    pub struct ResponseFuture<F> {
        #[pin]
        work: ResponseWork<F>,
        guard: Option<Box<RequestGuard>>,
        // The routes of a request that still has to take its slot.
        queued: Option<Routes>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // Cancel the handler. Its values are dropped in the context of the request, and before the
            // guard closes.
            let this = this.project();
            if let WorkProjection::Handling { handler } = this.work.project()
                && let Err(caught) = handler.cancel()
                && let Some(guard) = this.guard.as_ref()
            {
                guard.count_panic(&caught);
            }
        }
    }
}

pin_project! {
    #[project = WorkProjection]
    enum ResponseWork<F> {
        Answered { answer: Option<Result<AxumResponse, Problem>> },
        Handling { #[pin] handler: Handler<F> },
    }
}

impl<F> ResponseFuture<F> {
    /// A response that the chassis itself has made.
    pub(super) fn answered(
        guard: Box<RequestGuard>,
        answer: Result<AxumResponse, Problem>,
    ) -> Self {
        Self {
            work: ResponseWork::Answered {
                answer: Some(answer),
            },
            guard: Some(guard),
            queued: None,
        }
    }

    /// A response that a handler will make. The request takes its slot at the first poll, if `queued` is
    /// present.
    ///
    /// The future is large, so it is moved as rarely as possible.
    pub(super) fn handling(
        guard: Box<RequestGuard>,
        context: Box<RequestContext>,
        timeout: Option<Duration>,
        queued: Option<Routes>,
        call: impl FnOnce() -> F,
    ) -> Self {
        let mut context = Some(context);
        match run(&mut context, call) {
            Ok(future) => Self {
                work: ResponseWork::Handling {
                    handler: Handler::new(future, context, timeout),
                },
                guard: Some(guard),
                queued,
            },
            Err(caught) => {
                let problem = guard.panicked(&caught);
                Self::answered(guard, Err(problem))
            }
        }
    }
}

impl<F, B> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(routes) = this.queued.take()
            && let Some(guard) = this.guard.as_mut()
            && let WorkProjection::Handling { handler } = this.work.as_mut().project()
            && let Err(problem) = admit_queued(guard, &routes)
        {
            if let Err(caught) = handler.cancel() {
                guard.count_panic(&caught);
            }
            let answer = Some(Err(problem));
            this.work.set(ResponseWork::Answered { answer });
        }
        let (answer, guard) = match this.work.project() {
            WorkProjection::Answered { answer } => (answer.take(), this.guard.take()),
            WorkProjection::Handling { mut handler } => {
                let outcome = handler.as_mut().poll_outcome(cx);
                if let Some(guard) = this.guard.as_mut() {
                    // Set after each poll, so that it is known if the client disconnects.
                    guard.route = handler.route();
                }
                let outcome = ready!(outcome);
                let mut guard = this.guard.take();
                let problem = match outcome {
                    HandlerOutcome::Answer(answer) => {
                        // `Some` until the future completes.
                        let Some(mut guard) = guard else {
                            return Poll::Pending;
                        };
                        let (mut head, body) = answer.into_parts();
                        if is_interim(head.status) {
                            // hyper would answer 500 itself, without the request id and a log record.
                            let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR);
                            return Poll::Ready(Ok(answer_problem(guard, problem)));
                        }
                        if handler.is_default_answer() && is_bare(&head, &body) {
                            if let Err(caught) = handler.discard(body) {
                                guard.count_panic(&caught);
                            }
                            return Poll::Ready(Ok(describe(guard, head)));
                        }
                        if head.status == StatusCode::PAYLOAD_TOO_LARGE
                            && handler.stopped_at_default_limit()
                        {
                            guard.size_limit = Some(SizeLimit::Default);
                        }
                        let content =
                            finish_head(&mut guard, head.status, &mut head.headers, false);
                        if content == ContentKind::Grpc {
                            guard.is_grpc = true;
                            guard.grpc_status = grpc_status(&head.headers);
                        }
                        let is_kept_open = || head.extensions.get::<KeepOpen>().is_some();
                        // Event streams and upgrades have no foreseeable end, so they hold no slot.
                        if content == ContentKind::Events
                            || head.status == StatusCode::SWITCHING_PROTOCOLS
                        {
                            guard.release_slot();
                            handler.release_slot();
                        }
                        if is_upgrade(&guard, head.status)
                            && let Some(connection) = guard.connection()
                        {
                            let ends = is_websocket(&head.headers) && !is_kept_open();
                            connection.set_upgraded(ends);
                        }
                        let context = handler.take_context();
                        let shutdown = (content == ContentKind::Events && !is_kept_open())
                            .then(|| guard.state().shutdown.overdue());
                        let mut body =
                            ResponseBody::from_handler(body, &head.headers, guard, context);
                        if let Some(shutdown) = shutdown {
                            body.end_when(shutdown);
                        }
                        return Poll::Ready(Ok(Response::from_parts(head, body)));
                    }
                    HandlerOutcome::Rejected(problem) => {
                        if problem.status == StatusCode::PAYLOAD_TOO_LARGE
                            && let Some(guard) = guard.as_mut()
                        {
                            guard.size_limit = Some(SizeLimit::Route);
                        }
                        problem
                    }
                    HandlerOutcome::Malformed => guard.as_mut().map_or_else(
                        || Problem::new(StatusCode::BAD_REQUEST).closing(),
                        |guard| guard.reject(ProtocolError::Malformed),
                    ),
                    HandlerOutcome::Disconnected => {
                        // Closes without a status, as aborted. hyper finds the connection dead.
                        drop(guard);
                        let mut unsent = Response::new(ResponseBody::empty());
                        *unsent.status_mut() = StatusCode::BAD_REQUEST;
                        return Poll::Ready(Ok(unsent));
                    }
                    HandlerOutcome::TimedOut => Problem::new(StatusCode::SERVICE_UNAVAILABLE),
                    HandlerOutcome::Panic(caught) => guard.as_ref().map_or_else(
                        || Problem::new(StatusCode::INTERNAL_SERVER_ERROR),
                        |guard| guard.panicked(&caught),
                    ),
                };
                (Some(Err(problem)), guard)
            }
        };
        // Both are `Some` until the future completes.
        let (Some(answer), Some(guard)) = (answer, guard) else {
            return Poll::Pending;
        };
        Poll::Ready(Ok(match answer {
            Ok(answer) => finish(guard, answer, false),
            Err(problem) => answer_problem(guard, problem),
        }))
    }
}

/// The response for a [`Problem`].
fn answer_problem<B: Body>(
    guard: Box<RequestGuard>,
    problem: Problem,
) -> Response<ResponseBody<B>> {
    let close = problem.close;
    let answer = problem.answer(guard.request_id.as_str());
    finish(guard, answer, close)
}

/// Whether a default answer of axum still has no content: no body and no content type. The layers of
/// the application may have added other headers.
fn is_bare(head: &response::Parts, body: &impl Body) -> bool {
    matches!(
        head.status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
    ) && !head.headers.contains_key(header::CONTENT_TYPE)
        && (body.is_end_stream() || body.size_hint().exact() == Some(0))
}

/// Adds the body of a [`Problem`] to a default answer of axum (contract HTTP-7).
fn describe<B: Body>(
    guard: Box<RequestGuard>,
    mut head: response::Parts,
) -> Response<ResponseBody<B>> {
    let problem = Problem::new(head.status);
    let text = problem.describe(&mut head.headers, guard.request_id.as_str());
    let body = match guard.method {
        Method::HEAD => AxumBody::empty(),
        _ => AxumBody::from(text),
    };
    finish(guard, Response::from_parts(head, body), false)
}

/// Completes a response that the chassis itself has made.
fn finish<B: Body>(
    mut guard: Box<RequestGuard>,
    answer: AxumResponse,
    close: bool,
) -> Response<ResponseBody<B>> {
    let (mut head, body) = answer.into_parts();
    finish_head(&mut guard, head.status, &mut head.headers, close);
    let body = ResponseBody::from_edge(body, &head.headers, guard);
    Response::from_parts(head, body)
}

/// Whether the version has the header `Connection`.
fn has_connection_header(version: Version) -> bool {
    version <= Version::HTTP_11
}

/// Whether the connection leaves HTTP after the head of this response.
fn is_upgrade(guard: &RequestGuard, status: StatusCode) -> bool {
    has_connection_header(guard.version)
        && (status == StatusCode::SWITCHING_PROTOCOLS
            || guard.method == Method::CONNECT && status.is_success())
}

/// Whether a status is informational, so that it cannot be the final status of a response.
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

/// Records the status of a response and adds the headers that every response has. Returns the kind of
/// its content.
fn finish_head(
    guard: &mut RequestGuard,
    status: StatusCode,
    headers: &mut HeaderMap,
    close: bool,
) -> ContentKind {
    guard.status = Some(status.as_u16());
    guard.set_phase(RequestPhase::Response);
    guard.suspend_slot();
    // One pass instead of four look-ups: most responses have two or three headers.
    let mut content_type = None;
    let mut has_type_options = false;
    let mut has_referrer_policy = false;
    let mut has_opener_policy = false;
    for (name, value) in &*headers {
        if *name == header::CONTENT_TYPE {
            content_type.get_or_insert(value);
        }
        has_type_options |= *name == header::X_CONTENT_TYPE_OPTIONS;
        has_referrer_policy |= *name == header::REFERRER_POLICY;
        has_opener_policy |= *name == OPENER_POLICY;
    }
    let content = content_type.map_or(ContentKind::Other, ContentKind::of);
    let mut id = guard.take_id_header();
    // Over HTTP/2, each new id would evict a constant header from the table of HPACK.
    id.set_sensitive(guard.version == Version::HTTP_2);
    headers.insert(request_id::HEADER, id);
    // The handler may set its own (contract HTTP-9).
    if !has_type_options {
        let value = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, value);
    }
    let same_origin = HeaderValue::from_static("same-origin");
    if !has_referrer_policy {
        headers.insert(header::REFERRER_POLICY, same_origin.clone());
    }
    if !has_opener_policy {
        headers.insert(OPENER_POLICY, same_origin);
    }
    if status == StatusCode::NO_CONTENT {
        // axum adds the length to every body of a known size; 204 must have none (RFC 9110, 8.6).
        headers.remove(header::CONTENT_LENGTH);
    }
    if (close || guard.is_last_answer())
        && has_connection_header(guard.version)
        && status != StatusCode::SWITCHING_PROTOCOLS
    {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    content
}

/// Whether an upgrade is to the WebSocket protocol (RFC 6455, 4.2.2).
fn is_websocket(headers: &HeaderMap) -> bool {
    let websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    headers.get(header::UPGRADE).is_some_and(websocket)
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}
