//! What a router answers inside a service is what it answers by itself: layers, fallbacks, methods.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Request},
    http::{HeaderMap, Method, Response, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Redirect},
    routing::{any, get, post},
};
use http_body_util::BodyExt as _;
use plimsoll::{Service, build_info, testing::TestService};
use serde_json::Value;
use tower::ServiceExt as _;

async fn start(router: Router) -> TestService {
    TestService::start(Service::new(build_info!()).router(router), &[]).await
}

fn request(method: Method, path: &str) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(path);
    request.body(Bytes::new()).unwrap()
}

/// What the router answers without a service around it.
async fn bare(router: &Router, request: Request<Bytes>) -> Response<Bytes> {
    let answer = router.clone().oneshot(request.map(Body::from)).await;
    let (mut head, body) = answer.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    // A server adds it where the router has not.
    let length = head.headers.entry(header::CONTENT_LENGTH);
    length.or_insert(body.len().into());
    Response::from_parts(head, body)
}

/// Headers without those that the service adds to every answer.
fn own_headers(answer: &Response<Bytes>) -> HeaderMap {
    let mut headers = answer.headers().clone();
    for added in [
        "cross-origin-opener-policy",
        "date",
        "referrer-policy",
        "x-content-type-options",
        "x-request-id",
    ] {
        headers.remove(added);
    }
    headers
}

/// Checks that a request has the same answer inside a service as without one.
#[track_caller]
fn assert_same(inside: &Response<Bytes>, outside: &Response<Bytes>) {
    assert_eq!(inside.status(), outside.status());
    assert_eq!(own_headers(inside), own_headers(outside));
    assert_eq!(inside.body(), outside.body());
}

/// Checks that axum's answer is the same but for the body, which is a problem.
#[track_caller]
fn assert_described(inside: &Response<Bytes>, outside: &Response<Bytes>) {
    assert_eq!(inside.status(), outside.status());
    let mut headers = own_headers(inside);
    let length = headers.remove(header::CONTENT_LENGTH).unwrap();
    assert_eq!(length, inside.body().len().to_string());
    let kind = headers.remove(header::CONTENT_TYPE).unwrap();
    assert_eq!(kind, "application/problem+json");
    assert_eq!(headers.remove(header::CACHE_CONTROL).unwrap(), "no-store");
    let mut expected = own_headers(outside);
    assert_eq!(expected.remove(header::CONTENT_LENGTH).unwrap(), "0");
    assert_eq!(headers, expected);
    let problem: Value = serde_json::from_slice(inside.body()).unwrap();
    assert_eq!(problem["status"], inside.status().as_u16());
    let id = inside.headers()["x-request-id"].to_str().unwrap();
    assert_eq!(problem["request_id"], id);
}

/// Answers preflights, as a layer for CORS does, and marks every other answer.
async fn cors(request: Request, next: Next) -> axum::response::Response {
    let allow = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    if request.method() == Method::OPTIONS {
        let methods = [(header::ACCESS_CONTROL_ALLOW_METHODS, "*")];
        return (allow, methods).into_response();
    }
    (allow, next.run(request).await).into_response()
}

/// Gives every answer a cookie, as a layer for sessions does.
async fn session(request: Request, next: Next) -> axum::response::Response {
    let mut answer = next.run(request).await;
    let cookie = "id=1; Path=/".parse().unwrap();
    answer.headers_mut().append(header::SET_COOKIE, cookie);
    answer
}

fn posts() -> Router {
    Router::new().route("/post", post(async |body: String| body))
}

#[tokio::test]
async fn preflight_is_answered_by_a_layer_around_the_router() {
    let router = posts().layer(from_fn(cors));
    let service = start(router.clone()).await;
    for (method, path) in [
        (Method::OPTIONS, "/post"),
        (Method::OPTIONS, "/nowhere"),
        (Method::POST, "/post"),
    ] {
        let inside = service.request(request(method.clone(), path)).await;
        assert!(inside.status().is_success());
        assert_same(&inside, &bare(&router, request(method, path)).await);
    }
}

#[tokio::test]
async fn headers_of_layers_stay_on_404_and_405() {
    let router = posts().layer(from_fn(session)).layer(from_fn(cors));
    let service = start(router.clone()).await;
    for (method, path) in [
        (Method::GET, "/post"),
        (Method::GET, "/nowhere"),
        (Method::DELETE, "/nowhere"),
        // A path that was answered before, and is known by now.
        (Method::GET, "/post"),
    ] {
        let inside = service.request(request(method.clone(), path)).await;
        assert!(inside.headers().contains_key(header::SET_COOKIE));
        assert_described(&inside, &bare(&router, request(method, path)).await);
    }
    service.request(request(Method::POST, "/post")).await;
    let inside = service.request(request(Method::PUT, "/post")).await;
    assert_eq!(inside.headers()[header::ALLOW], "POST");
    assert_described(&inside, &bare(&router, request(Method::PUT, "/post")).await);
}

#[tokio::test]
async fn a_layer_redirects_paths_that_no_route_matches() {
    let router = posts().layer(from_fn(async |request: Request, next: Next| match request
        .uri()
        .path()
    {
        "/old" => Redirect::permanent("/post").into_response(),
        _ => next.run(request).await,
    }));
    let service = start(router.clone()).await;
    let inside = service.get("/old").await;
    assert_eq!(inside.status(), StatusCode::PERMANENT_REDIRECT);
    assert_same(&inside, &bare(&router, request(Method::GET, "/old")).await);
}

#[tokio::test]
async fn cache_control_of_a_layer_stays_on_404() {
    let router = posts().layer(from_fn(async |request: Request, next: Next| {
        let cache = [(header::CACHE_CONTROL, "max-age=60")];
        (cache, next.run(request).await).into_response()
    }));
    let answer = start(router).await.get("/nowhere").await;
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "max-age=60");
    assert!(answer.body().starts_with(b"{"));
}

#[tokio::test]
async fn head_of_404_and_405_has_the_length_and_no_body() {
    let router = posts().layer(from_fn(session));
    let service = start(router).await;
    for path in ["/post", "/nowhere"] {
        let get = service.request(request(Method::GET, path)).await;
        let head = service.request(request(Method::HEAD, path)).await;
        assert_eq!(head.status(), get.status());
        assert_eq!(head.body(), "");
        // Ids that are made have one length.
        assert_eq!(own_headers(&head), own_headers(&get));
    }
}

#[tokio::test]
async fn bare_answers_of_the_application_stay_as_they_are() {
    let not_allowed = async || (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "PUT")]);
    let api = Router::new()
        .route("/x", get(async || StatusCode::NOT_FOUND))
        .fallback(async || StatusCode::NOT_FOUND);
    let router = Router::new()
        .route("/missing", get(async || StatusCode::NOT_FOUND))
        .route("/items/{id}", get(async || StatusCode::NOT_FOUND))
        .route("/own", get(not_allowed))
        .route("/own-fallback", get(async || "").fallback(not_allowed))
        .route_service("/service", any(not_allowed))
        .nest_service("/files", any(async || StatusCode::NOT_FOUND))
        .nest_service("/proxy", any(not_allowed))
        .nest("/api", api);
    let service = start(router.clone()).await;
    for (method, path) in [
        (Method::GET, "/missing"),
        (Method::GET, "/items/7"),
        (Method::GET, "/own"),
        (Method::POST, "/own-fallback"),
        (Method::GET, "/service"),
        (Method::GET, "/files"),
        (Method::GET, "/files/a.txt"),
        (Method::GET, "/proxy/a"),
        (Method::GET, "/api/x"),
        (Method::GET, "/api/nothing"),
    ] {
        for _ in 0..2 {
            let inside = service.request(request(method.clone(), path)).await;
            assert_same(&inside, &bare(&router, request(method.clone(), path)).await);
        }
    }
    let inside = service.get("/nothing").await;
    assert_described(
        &inside,
        &bare(&router, request(Method::GET, "/nothing")).await,
    );
}

#[tokio::test]
async fn a_fallback_service_answers_with_a_bare_404() {
    let fallback = any(async || StatusCode::NOT_FOUND);
    let router = posts().layer(from_fn(session)).fallback_service(fallback);
    let service = start(router.clone()).await;
    let inside = service.get("/nowhere").await;
    assert_same(
        &inside,
        &bare(&router, request(Method::GET, "/nowhere")).await,
    );
}

#[tokio::test]
async fn a_method_fallback_of_the_router_is_kept() {
    let router = posts().method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED);
    let service = start(router.clone()).await;
    let inside = service.get("/post").await;
    assert_same(&inside, &bare(&router, request(Method::GET, "/post")).await);
}

#[tokio::test]
async fn nested_routers_without_a_fallback_have_the_default_answer() {
    let inner = Router::new().route("/x", get(async || "x"));
    let router = Router::new().nest("/api", inner).layer(from_fn(session));
    let service = start(router.clone()).await;
    for (method, path) in [(Method::GET, "/api/y"), (Method::POST, "/api/x")] {
        let inside = service.request(request(method.clone(), path)).await;
        assert_described(&inside, &bare(&router, request(method, path)).await);
    }
}

#[tokio::test]
async fn the_request_has_the_effective_id_in_its_headers() {
    let ids = async |headers: HeaderMap| {
        let ids = headers.get_all("x-request-id").iter();
        ids.map(|id| id.to_str().unwrap())
            .collect::<Vec<_>>()
            .join(",")
    };
    let service = start(Router::new().route("/ids", get(ids))).await;
    for (sent, taken) in [
        (&[][..], false),
        (&["mine"], true),
        (&["not good"], false),
        (&["one", "two"], false),
    ] {
        let mut request = request(Method::GET, "/ids");
        for id in sent {
            request
                .headers_mut()
                .append("x-request-id", id.parse().unwrap());
        }
        let answer = service.request(request).await;
        let effective = answer.headers()["x-request-id"].to_str().unwrap();
        assert_eq!(answer.body(), effective, "{sent:?}");
        assert_eq!(sent.first() == Some(&effective), taken, "{sent:?}");
    }
}

/// An upload of this many bytes.
fn upload(path: &str, length: usize) -> Request<Bytes> {
    Request::post(path).body(vec![b'x'; length].into()).unwrap()
}

#[tokio::test]
async fn a_body_limit_that_the_application_sets_wins() {
    let length = async |body: Bytes| body.len().to_string();
    let stream = async |body: Body| body.collect().await.unwrap().to_bytes().len().to_string();
    let limit = |limit| DefaultBodyLimit::max(limit);
    let router = Router::new()
        .route("/default", post(length))
        .route("/stream", post(stream))
        .route("/less", post(length).layer(limit(1000)))
        .route("/more", post(length).layer(limit(3_000_000)))
        .route("/all", post(length).layer(DefaultBodyLimit::disable()));
    let service = start(router.clone()).await;
    for (path, bytes, status) in [
        ("/default", 2_097_152, 200),
        ("/default", 2_097_153, 413),
        ("/stream", 4_000_000, 200),
        ("/less", 1000, 200),
        ("/less", 1001, 413),
        ("/more", 3_000_000, 200),
        ("/more", 3_000_001, 413),
        ("/all", 4_000_000, 200),
    ] {
        let inside = service.request(upload(path, bytes)).await;
        assert_eq!(inside.status(), status, "{path} {bytes}");
        let outside = bare(&router, upload(path, bytes)).await;
        assert_eq!(inside.body(), outside.body(), "{path} {bytes}");
        let limit = &service.records_with("http_request").pop().unwrap()["limit"];
        let is_default = path == "/default" && status == 413;
        assert_eq!(*limit == "MAX_BODY_BYTES", is_default, "{path} {bytes}");
    }
}
