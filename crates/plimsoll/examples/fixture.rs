//! A service with what the reference service lacks: slow, panicking, streaming, uploading and
//! spawning routes, settings, metrics and hooks of its own. The contract's tests run it as a child
//! process.
//!
//! ```text
//! PORT=8081 cargo run -p plimsoll --example fixture
//! ```

use std::{
    convert::Infallible,
    future::pending,
    hint::black_box,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{
        Path, Query, Request, State,
        ws::{self, WebSocketUpgrade},
    },
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::TokioIo;
use plimsoll::shutdown::keep_open;
use plimsoll::{
    App, BoundedFamily, ClientIp, Exit, Handle, RequestId, RequestOrigin, SetupError,
    ShutdownToken, TraceContext, build_info,
    config::{Invalid, Reader, Secret, Settings, within},
    prometheus_client::{
        encoding::{EncodeMetric, MetricEncoder},
        metrics::{MetricType, counter::Counter, histogram::Histogram},
    },
};
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use tracing::{Instrument as _, Span, debug_span, field::Empty, info_span};

fn main() -> Exit {
    App::with_settings::<Fixture>(build_info!())
        .about("A service for the tests of the contract.")
        .extra_hook_time(Duration::from_secs(2))
        .setup(set_up)
        .run()
}

/// The settings that the fixture adds to those of the chassis.
#[derive(Debug)]
struct Fixture {
    greeting: String,
    pool_size: u32,
    api_token: Option<Secret>,
    setup_ms: u64,
    setup_fail: bool,
    connect_fails: bool,
    hook_ms: u64,
    hook_limit_ms: Option<u64>,
    route_clash: Option<String>,
}

impl Settings for Fixture {
    fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
        let greeting = from
            .setting("GREETING", "What `/hello` says.")
            .default("hello")
            .read();
        let pool_size = from
            .setting("POOL_SIZE", "Connections in the pool.")
            .default("10")
            .read_with("a number from 1 to 100", within(1..=100));
        let api_token = from
            .setting("API_TOKEN", "Token of the upstream.")
            .read_optional();
        let setup_ms = from
            .setting("SETUP_MS", "How long set-up takes.")
            .default("0")
            .read();
        let setup_fail = from
            .setting("SETUP_FAIL", "Whether set-up fails.")
            .default("no")
            .read();
        let connect_fails = from
            .setting("CONNECT_FAILS", "Whether set-up connects in vain.")
            .default("no")
            .read();
        let hook_ms = from
            .setting("HOOK_MS", "How long the hook takes.")
            .default("0")
            .read();
        let hook_limit_ms = from
            .setting("HOOK_LIMIT_MS", "The limit of the hook, if it has its own.")
            .read_optional();
        let route_clash = from
            .setting("ROUTE_CLASH", "A route to add.")
            .read_optional();
        Ok(Self {
            greeting: greeting?,
            pool_size: pool_size?,
            api_token: api_token?,
            setup_ms: setup_ms?,
            setup_fail: setup_fail?,
            connect_fails: connect_fails?,
            hook_ms: hook_ms?,
            hook_limit_ms: hook_limit_ms?,
            route_clash: route_clash?,
        })
    }
}

/// How many tenants are counted apart.
const MOST_TENANTS: usize = 3;

/// What handlers share.
#[derive(Clone)]
struct FixtureState {
    handle: Handle<Fixture>,
    hits: Counter,
    work: Histogram,
    tenants: BoundedFamily<Counter>,
}

async fn set_up(handle: Handle<Fixture>) -> Result<Router, SetupError> {
    let settings = handle.settings();
    tracing::debug!(
        settings.pool_size,
        has_token = settings.api_token.is_some(),
        "fixture_setup"
    );
    sleep(Duration::from_millis(settings.setup_ms)).await;
    if settings.setup_fail {
        return Err("the fixture was told to fail".into());
    }
    if settings.connect_fails {
        let refused = || async { Err::<(), _>("refused") };
        handle.connect("database", refused).await?;
    }
    handle.on_shutdown("first", async { tracing::info!("hook_first") });
    handle.on_shutdown("last", async { tracing::info!("hook_last") });
    let pause = Duration::from_millis(settings.hook_ms);
    let slow = async move {
        sleep(pause).await;
        tracing::info!("hook_ran");
    };
    match settings.hook_limit_ms.map(Duration::from_millis) {
        Some(limit) => handle.on_shutdown_within("slow", limit, slow),
        None => handle.on_shutdown("slow", slow),
    }

    let metrics = handle.metrics();
    let hits = metrics.counter("fixture_hits_total", "Hits of /count")?;
    let work = metrics.histogram("fixture_work_seconds", "Work of /count", [0.001, 0.01, 0.1])?;
    let tenants = metrics.bounded_counter(
        "fixture_tenant_hits",
        "Hits of /tenants, by tenant",
        "tenant",
        MOST_TENANTS,
    )?;
    metrics.register("fixture_faults", "Panics of this metric to come", Faults)?;

    let mut router = routes().merge(troubles()).merge(traces());
    if let Some(path) = &settings.route_clash {
        router = router.route(path, get(|| async { "clash\n" }));
    }
    Ok(router.with_state(FixtureState {
        handle,
        hits,
        work,
        tenants,
    }))
}

fn routes() -> Router<FixtureState> {
    Router::new()
        .route("/hello", get(hello))
        .route("/log", get(log))
        .route("/log/{level}", get(log_level))
        .route("/span/{tenant}", get(span))
        .route("/span-levels", get(span_levels))
        .route("/slow", get(slow))
        .route("/hang", get(pending::<()>))
        .route(
            "/quick",
            get(slow).layer(
                plimsoll::RouteLimitsLayer::new().request_timeout(Duration::from_millis(100)),
            ),
        )
        .route("/blocking", get(blocking))
        .route("/panic", get(panics))
        .route("/panic-body", get(panic_body))
        .route("/stream", get(stream))
        .route("/endless", get(endless))
        .route("/sse", get(sse))
        .route("/upload", post(upload))
        .route("/upload-stream", post(upload_stream))
        .route("/look-and-work", post(look_and_work))
        .route(
            "/upload-large",
            post(upload).layer(plimsoll::RouteLimitsLayer::new().max_body_bytes(8 * 1024 * 1024)),
        )
        .nest("/limited", limited())
        .route("/ignore-body", post(|| async { "ignored\n" }))
        .route("/big", get(|| async { BIG.clone() }))
        .route("/large", get(|| async { LARGE.clone() }))
        .route("/work", get(work))
        .route("/burn", get(burn))
        .route("/own-413", post(own_413))
        .route("/swallowed-panic", get(swallowed_panic))
        .route("/evil-drop", get(evil_drop))
        .route("/interim", get(|| async { StatusCode::PROCESSING }))
        .route(
            "/patient",
            get(slow)
                .layer(plimsoll::RouteLimitsLayer::new().request_timeout(Duration::from_secs(20)))
                .layer(axum::middleware::from_fn(dawdle)),
        )
        .route("/events", get(events))
        .route("/websocket", any(websocket))
        .route("/websocket-split", any(websocket_split))
        .route("/websocket-plain", any(websocket_plain))
        .route("/websocket-ticks", any(websocket_ticks))
        .route("/websocket-kept", any(websocket_kept))
        .route("/sse-kept", get(|| async { keep_open(sse().await) }))
        .route("/upgrade", any(upgrade))
        .route("/spawn", get(spawn))
        .route("/spawn-panic", get(spawn_panic))
        .route("/client", get(client))
        .route("/cookie", get(cookie))
        .route("/origin", get(origin))
        .route("/id", get(|id: RequestId| async move { id.to_string() }))
        .route(
            "/items/{id}",
            get(|Path(id): Path<String>| async move { id }),
        )
        .route(
            "/error",
            get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "own error\n") }),
        )
        .route(
            "/missing",
            get(|| async { (StatusCode::NOT_FOUND, "own 404\n") }),
        )
        .route(
            "/not-modified",
            get(|| async { (StatusCode::NOT_MODIFIED, "a body all the same\n") }),
        )
        .route("/own-headers", get(own_headers))
        .route(
            "/labelled/{name}",
            get(hello).layer(plimsoll::RouteLabelLayer::new("/labelled")),
        )
        .route("/status/{status}", get(status))
        .route("/readiness/on", post(readiness_on))
        .route("/readiness/off", post(readiness_off))
        .route("/count", get(count))
        .route("/tenants/{tenant}", get(tenant))
        .route("/secret-key", get(secret_key))
}

/// Uploads with a limit of 1,000 bytes that the edge holds.
fn limited() -> Router<FixtureState> {
    Router::new()
        .route("/upload", post(upload))
        .route("/upload-stream", post(upload_stream))
        .route("/own-413", post(own_413))
        .layer(plimsoll::RouteLimitsLayer::new().max_body_bytes(1000))
}

/// One answer for all who ask: ten thousand slow readers must not need memory of their own.
static LARGE: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![b'x'; 5_000_000]));

static BIG: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![b'x'; 32 << 20]));

/// `ms` and `chunks` of a query.
#[derive(Deserialize)]
struct Timing {
    #[serde(default)]
    ms: u64,
    #[serde(default)]
    chunks: usize,
}

impl Timing {
    fn pause(&self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

async fn hello(State(app): State<FixtureState>) -> String {
    format!("{}\n", app.handle.settings().greeting)
}

async fn log() -> &'static str {
    tracing::info!(
        target: "fixture",
        answer = 42,
        ratio = 0.5,
        ok = true,
        text = "a\"b\nc",
        name = "n",
        process = 1,
        "fixture_event"
    );
    "logged\n"
}

async fn log_level(Path(level): Path<String>) -> Result<&'static str, StatusCode> {
    match level.as_str() {
        "debug" => tracing::debug!(target: "fixture", "fixture_event"),
        "warn" => tracing::warn!(target: "fixture", "fixture_event"),
        "error" => tracing::error!(target: "fixture", "fixture_event"),
        _ => return Err(StatusCode::NOT_FOUND),
    }
    Ok("logged\n")
}

/// A value that says more than it is asked for.
struct Talks;

impl std::fmt::Debug for Talks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        tracing::info!(target: "fixture", "span_talks");
        f.write_str("talks")
    }
}

/// Events in spans, one of which learns something late.
async fn span(Path(tenant): Path<String>) -> &'static str {
    let request =
        tracing::info_span!(target: "fixture", "request", tenant, name = "n", rows = Empty);
    async {
        tracing::info!(target: "fixture", "span_began");
        let step = tracing::info_span!(target: "fixture", "step", attempt = 1, tenant = "nearer");
        step.in_scope(|| tracing::info!(target: "fixture", attempt = 2, "span_step"));
        Span::current().record("rows", tracing::field::debug(Talks));
        sleep(Duration::from_millis(1)).await;
        tracing::info!(target: "fixture", said = ?Talks, "span_ended");
    }
    .instrument(request)
    .await;
    "spanned\n"
}

/// An event of INFO in spans of its own target, of a lower level, and of another target.
async fn span_levels() -> &'static str {
    info_span!(target: "fixture", "coarse", coarse = 1).in_scope(|| {
        debug_span!(target: "fixture", "fine", fine = 2).in_scope(|| {
            info_span!(target: "other", "other", other = 3)
                .in_scope(|| tracing::info!(target: "fixture", "span_levels"));
        });
    });
    "spanned\n"
}

async fn slow(Query(timing): Query<Timing>) -> &'static str {
    sleep(timing.pause()).await;
    "slow\n"
}

async fn blocking(Query(timing): Query<Timing>) -> &'static str {
    std::thread::sleep(timing.pause());
    "blocking\n"
}

/// How much a handler computes; time would be no measure, since it passes for those who wait too.
#[derive(Deserialize)]
struct Effort {
    rounds: u64,
}

impl Effort {
    fn spend(&self) -> &'static str {
        let mut state = 0_u64;
        for round in 0..self.rounds {
            state = black_box(state.wrapping_mul(6_364_136_223_846_793_005) ^ round);
        }
        "done\n"
    }
}

/// Computes where computing belongs.
async fn work(Query(effort): Query<Effort>) -> Result<&'static str, StatusCode> {
    tokio::task::spawn_blocking(move || effort.spend())
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Computes on the worker's own thread, which holds up its other connections.
async fn burn(Query(effort): Query<Effort>) -> &'static str {
    effort.spend()
}

async fn panics() -> &'static str {
    panic!("fixture panic")
}

/// A body of `chunks`, each made by `chunk` after a pause.
fn chunked(chunks: usize, pause: Duration, chunk: fn(usize) -> Bytes) -> Response {
    let (sender, receiver) = tokio::sync::mpsc::channel::<usize>(1);
    tokio::spawn(async move {
        for index in 0..chunks {
            sleep(pause).await;
            if sender.send(index).await.is_err() {
                return;
            }
        }
    });
    let frames = Frames { receiver, chunk };
    Response::new(Body::new(StreamBody::new(frames)))
}

/// A stream of frames, made where it is polled: in the body, not in the task that paces it.
struct Frames {
    receiver: tokio::sync::mpsc::Receiver<usize>,
    chunk: fn(usize) -> Bytes,
}

impl futures_core::Stream for Frames {
    type Item = Result<http_body::Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let next = self.receiver.poll_recv(cx);
        next.map(|index| Some(Ok(http_body::Frame::data((self.chunk)(index?)))))
    }
}

async fn panic_body() -> Response {
    chunked(2, Duration::ZERO, |index| match index {
        0 => Bytes::from_static(b"chunk"),
        _ => panic!("body panic"),
    })
}

async fn stream(Query(timing): Query<Timing>) -> Response {
    chunked(timing.chunks, timing.pause(), |_| {
        Bytes::from_static(&[b'x'; 1024])
    })
}

/// A body that always has more to give.
async fn endless() -> Response {
    let frames = stream_of(|| Some(Bytes::from_static(&[b'x'; 1024])));
    Response::new(Body::new(StreamBody::new(frames)))
}

async fn sse() -> Response {
    let mut response = chunked(usize::MAX, Duration::from_millis(100), |_| {
        Bytes::from_static(b"data: tick\n\n")
    });
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    response
}

async fn upload(body: Bytes) -> String {
    format!("{}\n", body.len())
}

async fn upload_stream(mut body: Body) -> Result<String, StatusCode> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        length += frame.data_ref().map_or(0, Bytes::len);
    }
    Ok(format!("{length}\n"))
}

/// Looks at the body for a moment, and works without it.
async fn look_and_work(Query(timing): Query<Timing>, mut body: Body) -> &'static str {
    let looked = tokio::time::timeout(Duration::from_millis(50), body.frame()).await;
    drop(looked);
    sleep(timing.pause()).await;
    drop(body);
    "worked\n"
}

/// A layer that waits before it lets a request through.
async fn dawdle(request: Request, next: Next) -> Response {
    sleep(Duration::from_millis(20)).await;
    next.run(request).await
}

/// A page of its own for bodies that cannot be read.
async fn own_413(request: Request) -> (StatusCode, &'static str) {
    let (_, body) = request.into_parts();
    let read = tokio::spawn(async move { body.collect().await.is_ok() }).await;
    match read {
        Ok(true) => (StatusCode::OK, "read\n"),
        _ => (StatusCode::PAYLOAD_TOO_LARGE, "own 413\n"),
    }
}

/// A panic that the service catches itself.
async fn swallowed_panic() -> &'static str {
    let _ = std::panic::catch_unwind(|| panic!("swallowed"));
    "swallowed\n"
}

/// A body that panics when it is dropped.
async fn evil_drop() -> Response {
    struct Evil;
    impl Drop for Evil {
        fn drop(&mut self) {
            panic!("drop panic");
        }
    }
    let evil = Evil;
    let mut frames = Some(Bytes::from_static(b"evil\n"));
    let stream = stream_of(move || {
        let _ = &evil;
        frames.take()
    });
    Response::new(Body::new(StreamBody::new(stream)))
}

/// A stream of what a function gives, until it gives nothing.
fn stream_of(
    next: impl FnMut() -> Option<Bytes> + Send + Unpin + 'static,
) -> impl futures_core::Stream<Item = Result<http_body::Frame<Bytes>, Infallible>> + Send {
    struct Made<F>(F);
    impl<F: FnMut() -> Option<Bytes> + Unpin> futures_core::Stream for Made<F> {
        type Item = Result<http_body::Frame<Bytes>, Infallible>;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            std::task::Poll::Ready((self.0)().map(|bytes| Ok(http_body::Frame::data(bytes))))
        }
    }
    Made(next)
}

/// Events for as long as the service likes.
async fn events(State(app): State<FixtureState>) -> Response {
    let endless = chunked(usize::MAX, Duration::from_millis(20), |_| {
        Bytes::from_static(b"data: tick\n\n")
    });
    let stream = endless.into_body().into_data_stream();
    let mut response = Response::new(Body::from_stream(
        app.handle.shutdown_token().end_stream(stream),
    ));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    response
}

/// A WebSocket that says what it hears.
async fn websocket(State(app): State<FixtureState>, upgrade: WebSocketUpgrade) -> Response {
    let token = app.handle.shutdown_token();
    upgrade.on_upgrade(move |socket| async move {
        let mut socket = token.close_websocket(socket);
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

/// The same in two halves.
async fn websocket_split(token: ShutdownToken, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| async move {
        let (mut sender, mut receiver) = token.close_websocket(socket).split();
        while let Some(Ok(message)) = receiver.next().await {
            if sender.send(message).await.is_err() {
                return;
            }
        }
    })
}

/// The same, as it is written without the chassis.
async fn websocket_plain(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
        tracing::info!(target: "fixture", "websocket_ended");
    })
}

/// A WebSocket whose handler never reads.
async fn websocket_ticks(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while socket.send(ws::Message::text("tick")).await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
        tracing::info!(target: "fixture", "websocket_ended");
    })
}

/// A WebSocket that says goodbye by itself, and takes its time.
async fn websocket_kept(token: ShutdownToken, upgrade: WebSocketUpgrade) -> Response {
    keep_open(upgrade.on_upgrade(move |mut socket| async move {
        token.cancelled().await;
        sleep(Duration::from_millis(500)).await;
        // An error means that the client has gone already.
        let _ = socket.send(ws::Message::text("saved")).await;
        let _ = socket.send(ws::Message::Close(None)).await;
    }))
}

/// Switches to a protocol that says what it hears.
async fn upgrade(request: Request) -> Response {
    let is_connect = request.method() == http::Method::CONNECT;
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else {
            return;
        };
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
        // An error is the client's going away, which is how an echo ends.
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    if is_connect {
        return StatusCode::OK.into_response();
    }
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "echo")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

async fn spawn() -> &'static str {
    let spawned = plimsoll::spawn(async {
        tracing::info!(target: "fixture", via = "spawn", "spawned_event")
    });
    let wrapped = tokio::spawn(plimsoll::in_request(async {
        tracing::info!(target: "fixture", via = "in_request", "spawned_event");
    }));
    let _ = tokio::join!(spawned, wrapped);
    "spawned\n"
}

async fn spawn_panic() -> &'static str {
    let _ = plimsoll::spawn(async { panic!("task panic") }).await;
    "ended\n"
}

async fn origin(origin: RequestOrigin) -> String {
    let host = origin.host().map_or("-", |host| host.as_str());
    format!("{}://{host}", origin.scheme())
}

async fn client(ClientIp(ip): ClientIp) -> String {
    ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string())
}

/// The cookie as whoever asks for one header gets it.
async fn cookie(headers: HeaderMap) -> Vec<u8> {
    let cookie = headers.get(header::COOKIE);
    cookie.map_or_else(Vec::new, |cookie| cookie.as_bytes().to_vec())
}

/// Any status, with a body that some of them must not have.
async fn status(Path(status): Path<u16>) -> Result<(StatusCode, &'static str), StatusCode> {
    let status = StatusCode::from_u16(status).map_err(|_| StatusCode::NOT_FOUND)?;
    Ok((status, "status\n"))
}

async fn own_headers() -> impl IntoResponse {
    (
        [
            (HeaderName::from_static("referrer-policy"), "no-referrer"),
            (HeaderName::from_static("x-request-id"), "forged"),
        ],
        "own headers\n",
    )
}

async fn readiness_on(State(app): State<FixtureState>) -> &'static str {
    app.handle.readiness().set(true, "asked over HTTP");
    "on\n"
}

async fn readiness_off(State(app): State<FixtureState>) -> &'static str {
    app.handle.readiness().set(false, "asked over HTTP");
    "off\n"
}

async fn count(State(app): State<FixtureState>) -> &'static str {
    let began = Instant::now();
    app.hits.inc();
    app.work.observe(began.elapsed().as_secs_f64());
    "counted\n"
}

async fn tenant(State(app): State<FixtureState>, Path(tenant): Path<String>) -> &'static str {
    app.tenants.with(&tenant).inc();
    "counted\n"
}

async fn secret_key(State(app): State<FixtureState>) -> Result<&'static str, StatusCode> {
    match app.handle.config().secret_key() {
        Ok(_) => Ok("set\n"),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "secret_key_missing"
            );
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

// === Rarer kinds of trouble ===

fn troubles() -> Router<FixtureState> {
    let brief = plimsoll::RouteLimitsLayer::new().request_timeout(Duration::from_millis(50));
    Router::new()
        .route(
            "/panic-layer",
            get(hello).layer(axum::middleware::from_fn(panic_early)),
        )
        .route("/hang-told", get(hang_told))
        .route("/hang-evil", get(hang_evil))
        .route("/quick-evil", get(hang_evil).layer(brief))
        .route("/held", get(held))
        .route("/sleep-blocking", get(sleep_blocking))
        .route("/panic-metric/{times}", post(panic_metric))
}

async fn panic_early(_: Request, _: Next) -> Response {
    panic!("layer panic")
}

/// Calls a function when it is dropped.
struct OnDrop(fn());

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Tells when it begins and when it is dropped.
async fn hang_told() {
    let _told = OnDrop(|| tracing::info!(target: "fixture", "handler_dropped"));
    tracing::info!(target: "fixture", "handler_began");
    pending().await
}

/// A handler that panics when it is given up.
async fn hang_evil() {
    let _evil = OnDrop(|| panic!("handler drop panic"));
    tracing::info!(target: "fixture", "handler_began");
    pending().await
}

/// Holds a lock of the standard library while it sleeps: whoever wants it too blocks its worker.
async fn held(Query(timing): Query<Timing>) -> &'static str {
    static LOCK: Mutex<()> = Mutex::new(());
    let _held = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::sleep(timing.pause());
    "held\n"
}

async fn sleep_blocking(Query(timing): Query<Timing>) -> Result<&'static str, StatusCode> {
    tokio::task::spawn_blocking(move || std::thread::sleep(timing.pause()))
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok("slept\n")
}

/// How often [`Faults`] still panics.
static FAULTS: AtomicU32 = AtomicU32::new(0);

async fn panic_metric(Path(times): Path<u32>) -> &'static str {
    FAULTS.store(times, Ordering::Relaxed);
    "set\n"
}

/// A metric whose code is broken.
#[derive(Debug)]
struct Faults;

impl EncodeMetric for Faults {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> std::fmt::Result {
        let left = FAULTS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        });
        assert!(left.is_err(), "metric panic");
        encoder.encode_gauge(&0_i64)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

// === Traces ===

fn traces() -> Router<FixtureState> {
    Router::new()
        .route(
            "/trace",
            get(|trace: TraceContext| async move { told(&trace) }),
        )
        .route("/trace/spans", get(spans))
        .route("/trace/panic", get(span_panic))
}

/// What a handler would send on to others.
fn told(trace: &TraceContext) -> String {
    let mut headers = HeaderMap::new();
    trace.inject(&mut headers);
    let text = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or("-").to_owned()
    };
    format!("{}\n{}\n", text("traceparent"), text("tracestate"))
}

/// Spans in a handler, in each other, and in tasks.
async fn spans() -> String {
    let outer = info_span!("outer", item = 7, ratio = 0.5, late = Empty);
    let told = async {
        tracing::info!(target: "fixture", traceId = "mine", "inside_outer");
        Span::current().record("late", "yes");
        debug_span!("too_fine")
            .in_scope(|| info_span!("inner").in_scope(|| told(&TraceContext::current())))
    }
    .instrument(outer)
    .await;
    let ours = plimsoll::spawn(async { info_span!("spawned").in_scope(|| ()) });
    let theirs = tokio::spawn(
        async { tracing::info!(target: "fixture", "inside_task") }.instrument(info_span!("task")),
    );
    let stranger = tokio::spawn(async { info_span!("stranger").in_scope(|| ()) });
    let _ = tokio::join!(ours, theirs, stranger);
    told
}

async fn span_panic() -> &'static str {
    info_span!("doomed").in_scope(|| panic!("span panic"))
}
