//! A router responds inside a service as it does alone: layers, fallbacks, methods.

#![expect(clippy::unwrap_used, reason = "a failure of a helper ends its test")]

use std::net::Ipv4Addr;

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
use plimsoll::{App, RouteLabelLayer, build_info, testing::TestService};
use serde_json::Value;
use tokio::net::TcpSocket;
use tower::{Layer as _, ServiceExt as _, util::MapRequestLayer};

async fn start(router: Router) -> TestService {
    TestService::start(App::new(build_info!()).router(router), &[]).await
}

fn request(method: Method, path: &str) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(path);
    request.body(Bytes::new()).unwrap()
}

/// Returns the response of the router without a service around it.
async fn bare(router: &Router, request: Request<Bytes>) -> Response<Bytes> {
    let answer = router.clone().oneshot(request.map(Body::from)).await;
    let (mut head, body) = answer.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    // A server adds the header if the router has not.
    let length = head.headers.entry(header::CONTENT_LENGTH);
    length.or_insert(body.len().into());
    Response::from_parts(head, body)
}

/// Returns the headers without those that the service adds to every response.
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

/// Checks that a request has the same response inside a service as without one.
#[track_caller]
fn assert_same(inside: &Response<Bytes>, outside: &Response<Bytes>) {
    assert_eq!(inside.status(), outside.status());
    assert_eq!(own_headers(inside), own_headers(outside));
    assert_eq!(inside.body(), outside.body());
}

/// Checks that a default response of axum is unchanged except for the body, which is a problem
/// document.
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

/// Answers preflights like a CORS layer, and marks every other response.
async fn cors(request: Request, next: Next) -> axum::response::Response {
    let allow = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    if request.method() == Method::OPTIONS {
        let methods = [(header::ACCESS_CONTROL_ALLOW_METHODS, "*")];
        return (allow, methods).into_response();
    }
    (allow, next.run(request).await).into_response()
}

/// Sets a cookie in every response, like a session layer.
async fn session(request: Request, next: Next) -> axum::response::Response {
    let mut answer = next.run(request).await;
    let cookie = "id=1; Path=/".parse().unwrap();
    answer.headers_mut().append(header::SET_COOKIE, cookie);
    answer
}

fn posts() -> Router {
    Router::new().route("/post", post(async |body: String| body))
}

/// HTTP-7
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

/// HTTP-7
#[tokio::test]
async fn headers_of_layers_stay_on_404_and_405() {
    let router = posts().layer(from_fn(session)).layer(from_fn(cors));
    let service = start(router.clone()).await;
    for (method, path) in [
        (Method::GET, "/post"),
        (Method::GET, "/nowhere"),
        (Method::DELETE, "/nowhere"),
        // A path that was requested before, so its route is cached.
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

/// HTTP-7
#[tokio::test]
async fn layer_redirects_paths_without_a_route() {
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

/// HTTP-8
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

/// HTTP-6
#[tokio::test]
async fn head_of_404_and_405_has_the_length_and_no_body() {
    let router = posts().layer(from_fn(session));
    let service = start(router).await;
    for path in ["/post", "/nowhere"] {
        let get = service.request(request(Method::GET, path)).await;
        let head = service.request(request(Method::HEAD, path)).await;
        assert_eq!(head.status(), get.status());
        assert_eq!(head.body(), "");
        // Generated ids have a fixed length.
        assert_eq!(own_headers(&head), own_headers(&get));
    }
}

/// HTTP-7
#[tokio::test]
async fn bare_responses_of_the_application_are_kept() {
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

/// Calls the router again with another path if the first response is a 404.
async fn retry_not_found(request: Request, next: Next) -> axum::response::Response {
    let answer = next.clone().run(request).await;
    if answer.status() != StatusCode::NOT_FOUND {
        return answer;
    }
    let retry = Request::get("/missing").body(Body::empty()).unwrap();
    next.run(retry).await
}

#[tokio::test]
async fn bare_404_after_a_default_response_is_kept() {
    let router = Router::new().route("/missing", get(async || StatusCode::NOT_FOUND));
    let service = App::new(build_info!())
        .router(router)
        .layer(from_fn(retry_not_found));
    let service = TestService::start(service, &[]).await;
    // The first request caches the route, and the second one uses the cache.
    for _ in 0..2 {
        let answer = service.get("/nowhere").await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer.body(), "");
    }
}

/// HTTP-7
#[tokio::test]
async fn fallback_service_sends_a_bare_404() {
    let fallback = any(async || StatusCode::NOT_FOUND);
    let router = posts().layer(from_fn(session)).fallback_service(fallback);
    let service = start(router.clone()).await;
    let inside = service.get("/nowhere").await;
    assert_same(
        &inside,
        &bare(&router, request(Method::GET, "/nowhere")).await,
    );
}

/// HTTP-7
#[tokio::test]
async fn method_fallback_of_the_router_is_kept() {
    let router = posts().method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED);
    let service = start(router.clone()).await;
    let inside = service.get("/post").await;
    assert_same(&inside, &bare(&router, request(Method::GET, "/post")).await);
}

/// HTTP-7
#[tokio::test]
async fn nested_routers_without_fallback_send_the_default_response() {
    let inner = Router::new().route("/x", get(async || "x"));
    let router = Router::new().nest("/api", inner).layer(from_fn(session));
    let service = start(router.clone()).await;
    for (method, path) in [(Method::GET, "/api/y"), (Method::POST, "/api/x")] {
        let inside = service.request(request(method.clone(), path)).await;
        assert_described(&inside, &bare(&router, request(method, path)).await);
    }
}

/// RID-1
#[tokio::test]
async fn request_headers_contain_the_effective_id() {
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

/// Returns the patterns of the access records, in order.
fn patterns(service: &TestService) -> Vec<String> {
    let records = service.records_with("http_request");
    let pattern = |record: &Value| record["path"].as_str().unwrap().to_owned();
    records.iter().map(pattern).collect()
}

/// Removes trailing slashes from the path before routing.
fn trim(mut request: Request) -> Request {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    *request.uri_mut() = path.parse().unwrap();
    request
}

/// MET-4
#[tokio::test]
async fn layer_that_rewrites_the_path_keeps_labels() {
    let count = async |request: Request, next: Next| {
        let mut answer = next.run(request).await;
        answer.headers_mut().insert("x-outer", "1".parse().unwrap());
        answer
    };
    let router = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/items/{id}", get(async || "item"));
    let service = App::new(build_info!())
        .router(router)
        .layer(MapRequestLayer::new(trim))
        .layer(from_fn(count));
    let service = TestService::start(service, &[]).await;
    for path in ["/hello/", "/hello", "/hello/", "/items/7/", "/nowhere/"] {
        let answer = service.get(path).await;
        assert_eq!(answer.headers()["x-outer"], "1", "{path}");
        assert_eq!(answer.status() == 404, path == "/nowhere/");
        assert!(answer.headers().contains_key("x-request-id"));
    }
    let answer = service.get("/nowhere/").await;
    assert_eq!(
        answer.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
    let answer = service.request(request(Method::POST, "/hello/")).await;
    assert_eq!(answer.headers()[header::ALLOW], "GET,HEAD");
    assert!(answer.body().starts_with(b"{"));
    assert_eq!(service.get("/health").await.body(), "ok\n");
    let unmatched = "__unmatched__";
    assert_eq!(
        patterns(&service),
        [
            "/hello",
            "/hello",
            "/hello",
            "/items/{id}",
            unmatched,
            unmatched,
            "/hello"
        ]
    );
}

/// MET-4
#[tokio::test]
async fn nested_services_are_labelled_by_prefix_and_wildcard() {
    let inner = Router::new().nest_service("/files", any(async || StatusCode::NOT_FOUND));
    let router = Router::new()
        .nest_service("/static", any(async || "static"))
        .nest("/{tenant}/v1", inner);
    let service = start(router).await;
    for path in [
        "/static",
        "/static/a/b",
        "/me/v1/files/x",
        "/you/v1/files/y",
        "/no",
    ] {
        service.get(path).await;
    }
    let tenant = "/{tenant}/v1/files/{*rest}";
    assert_eq!(
        patterns(&service),
        [
            "/static",
            "/static/{*rest}",
            tenant,
            tenant,
            "__unmatched__"
        ]
    );
}

/// Returns a router whose labels are set by the application.
fn labelled() -> Router {
    let method = |path: &str| match path {
        "/shop.Orders/Get" => "/shop.Orders/Get",
        _ => "/shop.Orders/{*rest}",
    };
    let method = RouteLabelLayer::by_path(method).layer(any(async || "call"));
    let outer = RouteLabelLayer::new("/outer");
    Router::new()
        .route("/own", get(async || "own"))
        .route(
            "/set/{id}",
            get(async || "set").layer(RouteLabelLayer::new("/set")),
        )
        .route_service("/shop.Orders/{*rest}", method)
        .nest_service(
            "/files",
            RouteLabelLayer::new("/files/{*path}").layer(any(async || "file")),
        )
        .nest(
            "/in",
            Router::new()
                .route("/x", get(async || "x"))
                .layer(RouteLabelLayer::new("/inner")),
        )
        .route_layer(from_fn(async |request: Request, next: Next| {
            tokio::task::yield_now().await;
            next.run(request).await
        }))
        .fallback_service(RouteLabelLayer::new("/{*page}").layer(outer.layer(any(async || "page"))))
}

/// MET-4
#[tokio::test]
async fn application_label_replaces_the_pattern() {
    // The same router in two services, with other routes in the first.
    let other = Router::new().route("/other", get(async || "other"));
    let first = start(other.merge(labelled())).await;
    first.get("/other").await;
    let second = start(labelled()).await;
    let expected = [
        ("/own", "/own"),
        ("/set/7", "/set"),
        ("/shop.Orders/Get", "/shop.Orders/Get"),
        ("/shop.Orders/None", "/shop.Orders/{*rest}"),
        ("/shop.Orders/Get/x", "/shop.Orders/{*rest}"),
        ("/files/a/b", "/files/{*path}"),
        ("/in/x", "/inner"),
        ("/a/page", "/outer"),
        ("/own", "/own"),
        ("/in/x", "/inner"),
    ];
    for service in [&first, &second] {
        for (path, _) in expected {
            assert_eq!(service.get(path).await.status(), 200, "{path}");
        }
        let labels = expected.map(|(_, label)| label);
        assert!(patterns(service).ends_with(&labels.map(str::to_owned)));
        let counted = service.metrics().await;
        for (label, times) in [("/inner", 2.0), ("/outer", 1.0), ("/files/{*path}", 1.0)] {
            let labels = [("method", "GET"), ("path", label), ("status", "200")];
            assert_eq!(counted.sum("http_requests_total", &labels), times);
        }
    }
}

/// MET-4
#[tokio::test]
async fn one_label_layer_serves_several_services() {
    let label = RouteLabelLayer::new("/shared");
    let router = || Router::new().fallback(async || "page").layer(label.clone());
    let first = start(Router::new().route("/a", get(async || "a")).merge(router())).await;
    first.get("/a").await;
    let second = start(router()).await;
    for _ in 0..2 {
        first.get("/x").await;
        second.get("/x").await;
    }
    assert_eq!(patterns(&first)[1..], ["/shared", "/shared"]);
    assert_eq!(patterns(&second), ["/shared", "/shared"]);
}

/// MET-4
#[tokio::test]
async fn client_paths_add_no_application_label() {
    let service = start(labelled()).await;
    for number in 0..200 {
        service.get(&format!("/shop.Orders/{number}")).await;
        service.get(&format!("/files/{number}")).await;
        service.get(&format!("/{number}")).await;
    }
    let mut labels = patterns(&service);
    labels.sort();
    labels.dedup();
    assert_eq!(labels, ["/files/{*path}", "/outer", "/shop.Orders/{*rest}"]);
}

/// MET-4
#[tokio::test]
async fn shed_requests_are_counted_under_their_route() {
    let router = Router::new()
        .route("/hang", get(std::future::pending::<()>))
        .route("/items/{id}", get(async || "item"));
    let service = App::new(build_info!()).router(router);
    let service = TestService::start(service, &[("MAX_IN_FLIGHT", "1")]).await;
    let mut held = harness::Connection::tcp(service.addr()).unwrap();
    held.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for_metric(&service, "http_requests_in_flight", 1.0).await;
    for path in ["/items/7", "/hang", "/nowhere"] {
        assert_eq!(service.get(path).await.status(), 503);
    }
    assert_eq!(
        patterns(&service),
        ["/items/{id}", "/hang", "__unmatched__"]
    );
}

/// Waits until a metric without labels has this value.
async fn wait_for_metric(service: &TestService, name: &str, value: f64) {
    let met = async {
        while service.metrics().await.value(name, &[]) != Some(value) {
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(30);
    tokio::time::timeout(limit, met).await.unwrap();
}

/// Returns the text of the error of a failed start, with its causes.
async fn start_error(service: App, settings: &[(&str, &str)]) -> Option<String> {
    let mut env = vec![("HOST", "127.0.0.1"), ("PORT", "")];
    env.extend_from_slice(settings);
    // The socket is bound so that no other process gets the port. It does not listen, so that the
    // service can.
    let reserved = TcpSocket::new_v4().unwrap();
    reserved.set_reuseaddr(true).unwrap();
    reserved.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = reserved.local_addr().unwrap().port().to_string();
    env[1].1 = &port;
    let prepared = service
        .environment(plimsoll::config::Environment::from_pairs(env))
        .output(plimsoll::telemetry::Output::to(std::io::sink()))
        .prepare()
        .unwrap();
    let error = prepared.serve(std::future::ready(())).await.err()?;
    Some(error.to_string())
}

fn at(path: &str) -> App {
    let router = Router::new().route(path, get(async || "mine"));
    App::new(build_info!()).router(router)
}

/// HTTP-10
#[tokio::test]
async fn route_at_a_reserved_path_fails_before_setup() {
    let set_up = |_: plimsoll::Handle| async {
        panic!("set-up must not run");
        #[expect(unreachable_code, reason = "it gives the type")]
        Ok::<_, plimsoll::SetupError>(Router::new())
    };
    for path in ["/health", "/healthz", "/metrics"] {
        let error = start_error(at(path).setup(set_up), &[]).await.unwrap();
        assert!(error.contains(path), "{error}");
    }
    let nested = Router::new().nest_service("/ready", any(async || "mine"));
    let nested = App::new(build_info!()).router(nested);
    assert!(start_error(nested, &[]).await.unwrap().contains("/ready"));
    let late = |_: plimsoll::Handle| async {
        let router = Router::new().route("/livez", post(async || "mine"));
        Ok::<_, plimsoll::SetupError>(router)
    };
    let late = App::new(build_info!()).setup(late);
    assert!(start_error(late, &[]).await.unwrap().contains("/livez"));
}

/// HTTP-10
#[tokio::test]
async fn no_path_is_reserved_with_probes_on_the_admin_listener() {
    let admin = std::env::temp_dir().join(format!("plimsoll-routing-{}", std::process::id()));
    let admin = format!("unix:{}", admin.display());
    let settings = [("INFRA_ENDPOINTS", "admin"), ("ADMIN_ADDR", admin.as_str())];
    for path in ["/health", "/metrics", "/{any}"] {
        let service = TestService::start(at(path), &settings).await;
        assert_eq!(
            service.get("/health").await.body() == "mine",
            path != "/metrics"
        );
        assert_eq!(
            service.get("/metrics").await.body() == "mine",
            path != "/health"
        );
        assert_eq!(service.records_with("route_shadowed").len(), 0);
        service.shutdown().await;
    }
}

/// HTTP-10
#[tokio::test]
async fn released_alias_is_free_for_the_application() {
    let service = at("/healthz").release_alias(plimsoll::ProbeAlias::Healthz);
    let service = TestService::start(service, &[]).await;
    assert_eq!(service.get("/healthz").await.body(), "mine");
    assert_eq!(service.get("/livez").await.body(), "ok\n");
    assert_eq!(patterns(&service), ["/healthz"]);
    let other = at("/livez").release_alias(plimsoll::ProbeAlias::Healthz);
    assert!(start_error(other, &[]).await.unwrap().contains("/livez"));
}

/// HTTP-11
#[tokio::test]
async fn info_is_answered_only_on_request_of_the_code() {
    let mine = TestService::start(at("/info"), &[]).await;
    assert_eq!(mine.get("/info").await.body(), "mine");
    assert_eq!(patterns(&mine), ["/info"]);
    let none = TestService::start(at("/x"), &[]).await;
    assert_eq!(none.get("/info").await.status(), 404);

    let build = [
        ("SERVICE_NAME", r#"a "b""#),
        ("VERSION", "1.2"),
        ("BUILD_TIME", "now"),
    ];
    let expected = r#"{"service":"a \"b\"","version":"1.2","buildTime":"now"}"#;
    for endpoints in ["main", "both", "admin"] {
        let admin = format!("plimsoll-info-{}-{endpoints}", std::process::id());
        let admin = format!("unix:{}", std::env::temp_dir().join(admin).display());
        let mut settings = build.to_vec();
        settings.extend([
            ("ADMIN_ADDR", admin.as_str()),
            ("INFRA_ENDPOINTS", endpoints),
        ]);
        let service = TestService::start(at("/x").info(), &settings).await;
        let answer = service.get("/info").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.body(), expected, "{endpoints}");
        assert_eq!(service.records_with("http_request").len(), 0);
        service.shutdown().await;
    }
    let clash = start_error(at("/info").info(), &[]).await.unwrap();
    assert!(
        clash.contains("/info") && clash.contains("App::info"),
        "{clash}"
    );
}

/// HTTP-10
#[tokio::test]
async fn wildcard_over_reserved_paths_is_reported_once() {
    let service = TestService::start(at("/{key}"), &[]).await;
    let records = service.records_with("route_shadowed");
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["levelname"], "WARNING");
    assert_eq!(records[0]["pattern"], "/{key}");
    assert_eq!(
        records[0]["paths"],
        "/health /ready /metrics /livez /readyz /healthz /startupz"
    );
    assert_eq!(service.get("/health").await.body(), "ok\n");
    assert_eq!(service.get("/other").await.body(), "mine");
}

/// Returns an upload of this many bytes.
fn upload(path: &str, length: usize) -> Request<Bytes> {
    Request::post(path).body(vec![b'x'; length].into()).unwrap()
}

/// SRV-3
#[tokio::test]
async fn application_body_limit_overrides_the_setting() {
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
