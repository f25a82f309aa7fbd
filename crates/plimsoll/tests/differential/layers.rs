//! The tower layers of generated routers.

use std::time::Duration;

use axum::{
    extract::{DefaultBodyLimit, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, map_response},
    response::{IntoResponse as _, Redirect, Response},
    routing::Route,
};
use tower::Layer as TowerLayer;
use tower_http::{
    add_extension::AddExtensionLayer,
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{Any, CorsLayer},
    decompression::RequestDecompressionLayer,
    limit::RequestBodyLimitLayer,
    normalize_path::NormalizePathLayer,
    propagate_header::PropagateHeaderLayer,
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    sensitive_headers::SetSensitiveHeadersLayer,
    set_header::SetResponseHeaderLayer,
    timeout::TimeoutLayer,
    trace::TraceLayer,
    validate_request::ValidateRequestHeaderLayer,
};

use super::{
    build::{Boxed, boxed},
    handlers::Added,
    plan::Layer,
};

/// A layer of a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Erased(pub(crate) Layer);

const X_SET: HeaderName = HeaderName::from_static("x-set");
const SET: HeaderValue = HeaderValue::from_static("by a layer");

impl TowerLayer<Route> for Erased {
    type Service = Boxed;

    fn layer(&self, inner: Route) -> Boxed {
        match self.0 {
            Layer::CorsPermissive => boxed(CorsLayer::permissive().layer(inner)),
            Layer::CorsStrict => {
                let cors = CorsLayer::new()
                    .allow_origin(HeaderValue::from_static("https://a.example"))
                    .allow_methods([Method::GET, Method::POST])
                    .allow_headers(Any)
                    .max_age(Duration::from_secs(60));
                boxed(cors.layer(inner))
            }
            Layer::Compression => boxed(CompressionLayer::new().layer(inner)),
            Layer::RequestDecompression => boxed(RequestDecompressionLayer::new().layer(inner)),
            Layer::BodyLimit(limit) => boxed(RequestBodyLimitLayer::new(limit).layer(inner)),
            Layer::DefaultBodyLimit(limit) => boxed(DefaultBodyLimit::max(limit).layer(inner)),
            Layer::NoDefaultBodyLimit => boxed(DefaultBodyLimit::disable().layer(inner)),
            Layer::Timeout => boxed(timeout(Duration::from_secs(60)).layer(inner)),
            Layer::TimeoutAtOnce => boxed(timeout(Duration::from_millis(1)).layer(inner)),
            Layer::SetHeader => boxed(SetResponseHeaderLayer::overriding(X_SET, SET).layer(inner)),
            Layer::AppendHeader => {
                boxed(SetResponseHeaderLayer::appending(X_SET, SET).layer(inner))
            }
            Layer::SetHeaderIfAbsent => {
                let name = header::CONTENT_TYPE;
                let value = HeaderValue::from_static("text/x-other");
                boxed(SetResponseHeaderLayer::if_not_present(name, value).layer(inner))
            }
            Layer::SetNoSniffValue => {
                let name = header::X_CONTENT_TYPE_OPTIONS;
                boxed(SetResponseHeaderLayer::overriding(name, SET).layer(inner))
            }
            Layer::Sensitive => {
                boxed(SetSensitiveHeadersLayer::new([header::AUTHORIZATION]).layer(inner))
            }
            Layer::Trace => boxed(TraceLayer::new_for_http().layer(inner)),
            Layer::CatchPanic => boxed(CatchPanicLayer::new().layer(inner)),
            Layer::ValidateAccept => {
                boxed(ValidateRequestHeaderLayer::accept("text/html").layer(inner))
            }
            Layer::AddExtension => boxed(AddExtensionLayer::new(Added("added\n")).layer(inner)),
            Layer::Propagate => {
                let name = HeaderName::from_static("x-tenant");
                boxed(PropagateHeaderLayer::new(name).layer(inner))
            }
            Layer::SetRequestId => boxed(SetRequestIdLayer::x_request_id(OneId).layer(inner)),
            Layer::PropagateRequestId => {
                boxed(PropagateRequestIdLayer::x_request_id().layer(inner))
            }
            Layer::NormalizePath => boxed(NormalizePathLayer::trim_trailing_slash().layer(inner)),
            Layer::RedirectUnknown => boxed(from_fn(redirect_unknown).layer(inner)),
            Layer::Session => boxed(from_fn(session).layer(inner)),
            Layer::Authorization => boxed(from_fn(authorize).layer(inner)),
            Layer::TagStatus => boxed(map_response(tag_status).layer(inner)),
            Layer::ReplaceNotFound => boxed(from_fn(replace_not_found).layer(inner)),
        }
    }
}

fn timeout(limit: Duration) -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, limit)
}

#[derive(Debug, Clone, Copy)]
struct OneId;

impl MakeRequestId for OneId {
    fn make_request_id<B>(&mut self, _: &http::Request<B>) -> Option<RequestId> {
        Some(RequestId::new(HeaderValue::from_static("made-by-a-layer")))
    }
}

/// Redirects a path that ends in `/old`, whether there is a route for it or not.
async fn redirect_unknown(request: Request, next: Next) -> Response {
    match request.uri().path().strip_suffix("/old") {
        Some(path) => Redirect::permanent(&format!("{path}/new")).into_response(),
        None => next.run(request).await,
    }
}

/// Sets a cookie for clients without one.
async fn session(mut request: Request, next: Next) -> Response {
    let has_cookie = |headers: &HeaderMap| headers.contains_key(header::COOKIE);
    if has_cookie(request.headers()) {
        request.extensions_mut().insert(Added("session\n"));
        return next.run(request).await;
    }
    let mut answer = next.run(request).await;
    let cookie = HeaderValue::from_static("session=1; HttpOnly");
    answer.headers_mut().append(header::SET_COOKIE, cookie);
    answer
}

async fn authorize(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::AUTHORIZATION) {
        return next.run(request).await;
    }
    (
        StatusCode::UNAUTHORIZED,
        [(header::WWW_AUTHENTICATE, "Basic")],
    )
        .into_response()
}

/// Adds the status and the length that a layer sees.
async fn tag_status(mut answer: Response) -> Response {
    let seen = HeaderValue::from(answer.status().as_u16());
    answer.headers_mut().append("x-seen", seen);
    answer
}

/// A page of the application for each 404.
async fn replace_not_found(request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    if answer.status() == StatusCode::NOT_FOUND {
        return (StatusCode::NOT_FOUND, "own page\n").into_response();
    }
    answer
}
