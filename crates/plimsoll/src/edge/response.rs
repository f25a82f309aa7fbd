//! The future of one request: from the handler to the head of the answer.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::atomic::Ordering,
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
    content::{self, ContentKind},
    handler::{Handler, HandlerOutcome},
    id,
    problem::Problem,
    request_body::SizeLimit,
    request_guard::RequestGuard,
    response_body::ResponseBody,
};
use crate::{
    metrics::ProtocolError,
    request::{self, RequestContext},
    shutdown::KeepOpen,
    telemetry::CaughtPanic,
};

/// The headers that every answer has unless the handler set its own (contract HTTP-9).
const SECURITY: [(HeaderName, HeaderValue); 3] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

pin_project! {
    /// The answer to one request, on its way.
    ///
    /// Dropping it cancels the handler and ends the request as aborted.
    pub struct ResponseFuture<F> {
        #[pin]
        work: ResponseWork<F>,
        account: Option<Box<RequestGuard>>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // The handler is cancelled. What it holds is dropped as part of the request, and before
            // the account is closed.
            let this = this.project();
            if let WorkProjection::Handling { handler } = this.work.project()
                && let Err(caught) = handler.cancel()
                && let Some(account) = this.account.as_ref()
            {
                account.count_panic(&caught);
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
    /// The chassis has the answer already.
    pub(super) fn answered(
        account: Box<RequestGuard>,
        answer: Result<AxumResponse, Problem>,
    ) -> Self {
        Self {
            work: ResponseWork::Answered {
                answer: Some(answer),
            },
            account: Some(account),
        }
    }

    /// A handler will make the answer.
    pub(super) fn handling(
        account: Box<RequestGuard>,
        context: Box<RequestContext>,
        timeout: Option<Duration>,
        call: impl FnOnce() -> F,
    ) -> Self {
        match Handler::start(Some(context), timeout, call) {
            Ok(handler) => Self {
                work: ResponseWork::Handling { handler },
                account: Some(account),
            },
            Err(caught) => {
                let problem = account.panicked(&caught);
                Self::answered(account, Err(problem))
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
        let this = self.project();
        let (ours, account) = match this.work.project() {
            WorkProjection::Answered { answer } => (answer.take(), this.account.take()),
            WorkProjection::Handling { mut handler } => {
                let outcome = handler.as_mut().poll_outcome(cx);
                if let Some(account) = this.account.as_mut() {
                    // Known from the first poll on, and wanted even if the client goes away.
                    account.route = handler.route();
                }
                let outcome = ready!(outcome);
                let mut account = this.account.take();
                let problem = match outcome {
                    HandlerOutcome::Answer(answer) => {
                        // A future that was ready may not be polled again, so it is there.
                        let Some(mut account) = account else {
                            return Poll::Pending;
                        };
                        let (mut head, body) = answer.into_parts();
                        if is_interim(head.status) {
                            // hyper would send a 500 without a word of ours.
                            let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR);
                            return Poll::Ready(Ok(answer_problem(account, problem)));
                        }
                        if handler.is_default_answer() && is_bare(&head, &body) {
                            if let Err(caught) = handler.discard(body) {
                                account.count_panic(&caught);
                            }
                            return Poll::Ready(Ok(describe(account, head)));
                        }
                        if head.status == StatusCode::PAYLOAD_TOO_LARGE
                            && handler.stopped_at_default_limit()
                        {
                            account.size_limit = Some(SizeLimit::Default);
                        }
                        finish_head(&mut account, head.status, &mut head.headers, false);
                        let content = ContentKind::of(&head.headers);
                        if content == ContentKind::Grpc {
                            account.is_grpc = true;
                            account.grpc_status = content::status(&head.headers);
                        }
                        let is_kept_open = || head.extensions.get::<KeepOpen>().is_some();
                        // These have no end of their own, so they hold no slot.
                        if content == ContentKind::Events
                            || head.status == StatusCode::SWITCHING_PROTOCOLS
                        {
                            account.release_slot();
                            handler.release_slot();
                        }
                        if is_upgrade(&account, head.status)
                            && let Some(connection) = &account.connection
                        {
                            let ends = is_websocket(&head.headers) && !is_kept_open();
                            connection.set_upgraded(ends);
                        }
                        let context = handler.take_context();
                        let shutdown = (content == ContentKind::Events && !is_kept_open())
                            .then(|| account.shared.shutdown.overdue());
                        let mut body =
                            ResponseBody::from_handler(body, &head.headers, account, context);
                        if let Some(shutdown) = shutdown {
                            body.end_when(shutdown);
                        }
                        return Poll::Ready(Ok(Response::from_parts(head, body)));
                    }
                    HandlerOutcome::Refused(problem) => {
                        if problem.status == StatusCode::PAYLOAD_TOO_LARGE
                            && let Some(account) = account.as_mut()
                        {
                            account.size_limit = Some(SizeLimit::Route);
                        }
                        problem
                    }
                    HandlerOutcome::Malformed => account.as_mut().map_or_else(
                        || Problem::new(StatusCode::BAD_REQUEST).closing(),
                        |account| account.reject(ProtocolError::Malformed),
                    ),
                    HandlerOutcome::Gone => {
                        // Closed without a status, as aborted; hyper finds the connection dead.
                        drop(account);
                        let mut nothing = Response::new(ResponseBody::nothing());
                        *nothing.status_mut() = StatusCode::BAD_REQUEST;
                        return Poll::Ready(Ok(nothing));
                    }
                    HandlerOutcome::Late => Problem::new(StatusCode::SERVICE_UNAVAILABLE),
                    HandlerOutcome::Panic(caught) => account.as_ref().map_or_else(
                        || Problem::new(StatusCode::INTERNAL_SERVER_ERROR),
                        |account| account.panicked(&caught),
                    ),
                };
                (Some(Err(problem)), account)
            }
        };
        // Both are there until the future is ready, after which nobody may poll it.
        let (Some(ours), Some(account)) = (ours, account) else {
            return Poll::Pending;
        };
        Poll::Ready(Ok(match ours {
            Ok(answer) => answer_ours(account, answer, false),
            Err(problem) => answer_problem(account, problem),
        }))
    }
}

fn answer_problem<B: Body>(
    account: Box<RequestGuard>,
    problem: Problem,
) -> Response<ResponseBody<B>> {
    let close = problem.close;
    let answer = problem.answer(account.request_id.as_str());
    answer_ours(account, answer, close)
}

/// Whether an answer of axum's own has come through the service's layers as it was: nothing but a
/// status, and what those layers have put into its head.
fn is_bare(head: &response::Parts, body: &impl Body) -> bool {
    matches!(
        head.status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
    ) && !head.headers.contains_key(header::CONTENT_TYPE)
        && (body.is_end_stream() || body.size_hint().exact() == Some(0))
}

/// Gives an answer of axum's own the body that errors of the chassis have (contract HTTP-7).
fn describe<B: Body>(
    account: Box<RequestGuard>,
    mut head: response::Parts,
) -> Response<ResponseBody<B>> {
    let problem = Problem::new(head.status);
    let text = problem.describe(&mut head.headers, account.request_id.as_str());
    let body = match account.method {
        Method::HEAD => AxumBody::empty(),
        _ => AxumBody::from(text),
    };
    answer_ours(account, Response::from_parts(head, body), false)
}

fn answer_ours<B: Body>(
    mut account: Box<RequestGuard>,
    answer: AxumResponse,
    close: bool,
) -> Response<ResponseBody<B>> {
    let (mut head, body) = answer.into_parts();
    finish_head(&mut account, head.status, &mut head.headers, close);
    let body = ResponseBody::from_edge(body, &head.headers, account);
    Response::from_parts(head, body)
}

/// Whether an answer may tell its client in a header that the connection ends.
fn has_connection_header(version: Version) -> bool {
    version <= Version::HTTP_11
}

/// Whether the connection speaks something else than HTTP behind the head of this answer.
fn is_upgrade(account: &RequestGuard, status: StatusCode) -> bool {
    has_connection_header(account.version)
        && (status == StatusCode::SWITCHING_PROTOCOLS
            || account.method == Method::CONNECT && status.is_success())
}

/// Whether a status is none that an answer can end with.
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

/// Puts on every answer what every answer carries.
fn finish_head(
    account: &mut RequestGuard,
    status: StatusCode,
    headers: &mut HeaderMap,
    close: bool,
) {
    account.status = Some(status.as_u16());
    account.suspend_slot();
    headers.insert(id::HEADER, account.request_id.header());
    for (name, value) in SECURITY {
        headers.entry(name).or_insert(value);
    }
    if status == StatusCode::NO_CONTENT {
        // axum adds one to every answer whose size it knows; here there must be none (RFC 9110, 8.6).
        headers.remove(header::CONTENT_LENGTH);
    }
    if (close || account.is_last_answer())
        && has_connection_header(account.version)
        && status != StatusCode::SWITCHING_PROTOCOLS
    {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Whether a switch of protocols is to the WebSocket protocol (RFC 6455, 4.2.2).
fn is_websocket(headers: &HeaderMap) -> bool {
    let websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    headers.get(header::UPGRADE).is_some_and(websocket)
}

impl RequestGuard {
    /// Counts a panic and writes its one record, unless the hook has (contract SRV-5).
    pub(super) fn count_panic(&self, caught: &CaughtPanic) {
        if caught.recorded {
            return;
        }
        self.shared.registry.panics.fetch_add(1, Ordering::Relaxed);
        let context = RequestContext::of(&self.request_id, &self.trace);
        request::enter(&mut Some(Box::new(context)), || {
            caught.place.write(&self.shared.log);
        });
    }

    /// The answer of a handler that panicked.
    fn panicked(&self, caught: &CaughtPanic) -> Problem {
        self.count_panic(caught);
        let detail = self
            .shared
            .debug
            .then(|| format!("{} at {}", caught.place.message, caught.place.location));
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR).with_detail(detail)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
