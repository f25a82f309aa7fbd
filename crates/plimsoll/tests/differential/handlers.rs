//! The handlers of generated routers: every extractor of axum, and every kind of response.

use std::{
    collections::{BTreeMap, HashSet},
    convert::Infallible,
    fmt::Write as _,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Extension, Form, Json, RequestExt as _,
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, FromRequest as _, Multipart, Query, RawPathParams, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{
        AppendHeaders, Html, IntoResponse, Redirect, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_core::Stream;
use http_body::Frame;
use serde_json::Value;

use super::plan::Handler;

/// The header that numbers a request within its case.
pub(crate) const SEQUENCE: &str = "x-sequence";

/// The header in which a handler returns the request id that it has seen.
pub(crate) const SEEN_ID: &str = "x-seen-id";

/// The panic message of a handler.
pub(crate) const THROWN: &str = "thrown by a generated handler";

/// The state of the routers: which requests a route's handler was called for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Site(Arc<Mutex<HashSet<String>>>);

impl Site {
    /// Returns whether a handler was called for the request with this number.
    pub(crate) fn was_handled(&self, sequence: usize) -> bool {
        let handled = self.0.lock().unwrap();
        handled.contains(&sequence.to_string())
    }

    pub(crate) fn note(&self, headers: &HeaderMap) {
        if let Some(sequence) = headers.get(SEQUENCE).and_then(|it| it.to_str().ok()) {
            self.0.lock().unwrap().insert(sequence.to_owned());
        }
    }
}

/// A value that a layer adds to requests.
#[derive(Debug, Clone)]
pub(crate) struct Added(pub(crate) &'static str);

/// Frames that are ready at once.
pub(crate) struct Frames(pub(crate) Vec<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(self.0.remove(0))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

/// A body that panics instead of its second frame.
struct Panics(bool);

impl http_body::Body for Panics {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        assert!(!self.0, "{THROWN}");
        self.0 = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"first")))))
    }
}

/// Three events.
struct Events(u8);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0 += 1;
        let number = self.0;
        Poll::Ready((number <= 3).then(|| Ok(Event::default().data(number.to_string()))))
    }
}

/// Handles a request of a route.
pub(crate) async fn handle(handler: Handler, site: Site, request: Request) -> Response {
    site.note(request.headers());
    answer(handler, request).await
}

/// Handles a request without a matching route.
pub(crate) async fn fall_back(handler: Handler, request: Request) -> Response {
    answer(handler, request).await
}

async fn answer(handler: Handler, mut request: Request) -> Response {
    match handler {
        Handler::Bytes | Handler::String | Handler::Json | Handler::Form | Handler::Multipart => {
            extracted(handler, request).await
        }
        Handler::Echo | Handler::Query | Handler::Path | Handler::Peer | Handler::Extension => {
            described(handler, request).await
        }
        Handler::Stream => request.into_body().into_response(),
        Handler::Raw => match to_bytes(request.into_body(), usize::MAX).await {
            Ok(body) => format!("{} bytes\n", body.len()).into_response(),
            Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        },
        Handler::Text | Handler::Unread | Handler::State => "text\n".into_response(),
        Handler::Html => Html("<p>text</p>".repeat(50)).into_response(),
        Handler::Empty => ().into_response(),
        Handler::Status(status) | Handler::Interim(status) => status_of(status).into_response(),
        Handler::StatusText(status) => (status_of(status), "status\n").into_response(),
        Handler::Failure => {
            let failed: Result<(), _> = Err((StatusCode::CONFLICT, "failed\n"));
            failed.into_response()
        }
        Handler::Redirect => Redirect::to("/a?from=here").into_response(),
        Handler::Panic => panic!("{THROWN}"),
        Handler::PanicInBody => Response::new(Body::new(Panics(false))),
        Handler::Never => {
            std::future::pending::<()>().await;
            StatusCode::OK.into_response()
        }
        Handler::Session => {
            let user = request.extensions_mut().remove::<Added>();
            user.map_or("no session", |it| it.0).into_response()
        }
        Handler::RequestId => {
            let id = request.headers_mut().remove("x-request-id");
            let id = id.unwrap_or(HeaderValue::from_static("none"));
            ([(SEEN_ID, id)], "seen\n").into_response()
        }
        _ => produced(handler),
    }
}

/// Returns the values of the body extractors.
async fn extracted(handler: Handler, request: Request) -> Response {
    match handler {
        Handler::Bytes => match Bytes::from_request(request, &()).await {
            Ok(body) => format!("{} bytes\n", body.len()).into_response(),
            Err(rejection) => rejection.into_response(),
        },
        Handler::String => match String::from_request(request, &()).await {
            Ok(body) => body.into_response(),
            Err(rejection) => rejection.into_response(),
        },
        Handler::Json => match Json::<Value>::from_request(request, &()).await {
            Ok(body) => body.into_response(),
            Err(rejection) => rejection.into_response(),
        },
        Handler::Form => match Form::<BTreeMap<String, String>>::from_request(request, &()).await {
            Ok(Form(form)) => Json(form).into_response(),
            Err(rejection) => rejection.into_response(),
        },
        _ => match Multipart::from_request(request, &()).await {
            Ok(parts) => multipart(parts).await,
            Err(rejection) => rejection.into_response(),
        },
    }
}

async fn multipart(mut parts: Multipart) -> Response {
    let mut text = String::new();
    loop {
        match parts.next_field().await {
            Ok(Some(field)) => {
                let name = field.name().unwrap_or_default().to_owned();
                match field.bytes().await {
                    Ok(body) => {
                        // Writing to a String does not fail.
                        let _ = writeln!(text, "{name}: {} bytes", body.len());
                    }
                    Err(rejection) => return rejection.into_response(),
                }
            }
            Ok(None) => return text.into_response(),
            Err(rejection) => return rejection.into_response(),
        }
    }
}

/// Returns the values of the other extractors.
async fn described(handler: Handler, mut request: Request) -> Response {
    match handler {
        Handler::Query => match request
            .extract_parts::<Query<BTreeMap<String, String>>>()
            .await
        {
            Ok(Query(query)) => Json(query).into_response(),
            Err(rejection) => rejection.into_response(),
        },
        Handler::Path => match request.extract_parts::<RawPathParams>().await {
            Ok(params) => format!("{params:?}\n").into_response(),
            Err(rejection) => rejection.into_response(),
        },
        Handler::Peer => match request.extract_parts::<ConnectInfo<SocketAddr>>().await {
            Ok(ConnectInfo(peer)) => format!("{}\n", peer.ip()).into_response(),
            Err(rejection) => rejection.into_response(),
        },
        Handler::Extension => match request.extract_parts::<Extension<Added>>().await {
            Ok(Extension(added)) => added.0.into_response(),
            Err(rejection) => rejection.into_response(),
        },
        _ => echo(request).await,
    }
}

async fn echo(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut text = format!("{} {} {:?}\n", head.method, head.uri, head.version);
    // The order of names is that of a hash map: each header that is added or removed changes it.
    let mut headers: Vec<_> = head.headers.iter().collect();
    headers.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in headers {
        // The chassis generates an id if the client sends none (contract RID-1).
        if name != "x-request-id" {
            let _ = writeln!(text, "{name}: {value:?}");
        }
    }
    match to_bytes(body, 1_000_000).await {
        Ok(body) => {
            let _ = writeln!(text, "{} bytes", body.len());
            text.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

/// Responses that do not depend on the request.
fn produced(handler: Handler) -> Response {
    match handler {
        Handler::Chunks => {
            let chunk = |number: u8| Frame::data(Bytes::from(vec![b'a' + number; 700]));
            Response::new(Body::new(Frames((0..4).map(chunk).collect())))
        }
        Handler::Trailers => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-checksum", HeaderValue::from_static("17"));
            let frames = vec![
                Frame::data(Bytes::from_static(b"with a trailer\n")),
                Frame::trailers(trailers),
            ];
            let mut answer = Response::new(Body::new(Frames(frames)));
            let announced = HeaderValue::from_static("x-checksum");
            answer.headers_mut().insert(header::TRAILER, announced);
            answer
        }
        Handler::Events => Sse::new(Events(0))
            .keep_alive(KeepAlive::new().interval(Duration::from_secs(60)))
            .into_response(),
        Handler::Large => "0123456789abcdef".repeat(12_000).into_response(),
        Handler::Sized => {
            // A length that the handler has set.
            ([(header::CONTENT_LENGTH, "6")], "sized\n").into_response()
        }
        Handler::Close => ([(header::CONNECTION, "close")], "last\n").into_response(),
        Handler::ManyHeaders => (
            AppendHeaders([
                (header::SET_COOKIE, "a=1"),
                (header::VARY, "accept"),
                (header::SET_COOKIE, "b=2"),
                (header::VARY, "x-other"),
                (header::SET_COOKIE, "a=3"),
            ]),
            "many\n",
        )
            .into_response(),
        _ => (
            [
                (header::SERVER, "own"),
                (header::X_CONTENT_TYPE_OPTIONS, "own"),
                (header::REFERRER_POLICY, "no-referrer"),
                (HeaderName::from_static("cross-origin-opener-policy"), "own"),
                (header::CACHE_CONTROL, "private"),
                (header::DATE, "own"),
            ],
            "own\n",
        )
            .into_response(),
    }
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap()
}

/// The handler that reports the state of its router.
pub(crate) async fn with_state(State(site): State<Site>, request: Request) -> Response {
    site.note(request.headers());
    "state\n".into_response()
}
