//! Runs cases: serves a router twice, sends the requests to both, compares, and reduces failures.

use std::{
    any::Any,
    cell::Cell,
    collections::BTreeMap,
    convert::Infallible,
    fmt, future, io,
    net::{Ipv4Addr, SocketAddr},
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, Response, header},
};
use http_body_util::{BodyExt as _, Full};
use plimsoll::{App, build_info, testing::TestService};
use tokio::{net::TcpListener, time::Instant};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::decompression::DecompressionLayer;

use super::{
    allowed::Difference,
    answer::Outcome,
    build,
    compare::Pair,
    files::Files,
    generate,
    handlers::{Site, THROWN},
    http1, http2,
    plan::Plan,
    requests::{Case, Connection, Mode},
};

/// The time limit for reducing a failing case.
const REDUCING: Duration = Duration::from_secs(60);

thread_local! {
    /// Panics of axum on this thread are part of the trial of a router.
    static IS_TRYING: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics of generated handlers, and of axum at invalid routers, off stderr.
pub(crate) fn silence_expected_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(install_hook);
}

fn install_hook() {
    let printing = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let is_thrown = info
            .payload_as_str()
            .is_some_and(|text| text.contains(THROWN));
        if !is_thrown && !IS_TRYING.get() {
            printing(info);
        }
    }));
}

/// Runs a closure whose panics are expected.
fn trying<T>(action: impl FnOnce() -> T) -> Option<T> {
    IS_TRYING.set(true);
    let result = catch_unwind(AssertUnwindSafe(action));
    IS_TRYING.set(false);
    result.ok()
}

/// Returns the text of a panic.
fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}

/// The comparisons and their results.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) routers: usize,
    pub(crate) requests: usize,
    pub(crate) comparisons: usize,
    pub(crate) allowed: BTreeMap<Difference, usize>,
    pub(crate) failures: Vec<Failure>,
}

/// A reduced case with a difference that is not allowed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    pub(crate) what: String,
    pub(crate) case: Case,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "PLIMSOLL_SEED={}: {}", self.seed, self.what)?;
        write!(f, "{}", self.case)
    }
}

// === impl Figures ===

impl Figures {
    pub(crate) fn add(mut self, other: Self) -> Self {
        self.routers += other.routers;
        self.requests += other.requests;
        self.comparisons += other.comparisons;
        for (difference, count) in other.allowed {
            *self.allowed.entry(difference).or_default() += count;
        }
        self.failures.extend(other.failures);
        self
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} routers, {} requests, {} comparisons, {} differences that are not allowed; allowed:",
            self.routers,
            self.requests,
            self.comparisons,
            self.failures.len()
        )?;
        for (difference, count) in &self.allowed {
            write!(f, " {} {count}", difference.id())?;
        }
        Ok(())
    }
}

/// A change of a router.
pub(crate) type Fault = fn(Router) -> Router;

/// Runs cases one after the other.
pub(crate) struct Runner {
    files: Files,
    /// Changes the router of the chassis, for tests of the comparison itself.
    fault: Fault,
    pub(crate) figures: Figures,
}

/// The outcomes of a case, with the first difference that is not allowed.
struct Compared {
    comparisons: usize,
    allowed: Vec<Difference>,
    failure: Option<String>,
}

// === impl Runner ===

impl Runner {
    pub(crate) fn new(files: Files) -> Self {
        Self {
            files,
            fault: |router| router,
            figures: Figures::default(),
        }
    }

    /// Returns a runner whose chassis serves a deliberately broken router.
    pub(crate) fn with_fault(files: Files, fault: Fault) -> Self {
        Self {
            fault,
            ..Self::new(files)
        }
    }

    /// Runs the case of a seed.
    pub(crate) fn run(&mut self, seed: u64) {
        let case = generate::case(seed, &|plan| self.builds(plan));
        let compared = self.compare(&case);
        self.figures.routers += 1;
        self.figures.comparisons += compared.comparisons;
        self.figures.requests += 2 * compared.comparisons;
        for difference in compared.allowed {
            *self.figures.allowed.entry(difference).or_default() += 1;
        }
        if let Some(failure) = compared.failure {
            let (case, what) = self.reduce(case, failure);
            let failure = Failure { seed, what, case };
            self.figures.failures.push(failure);
        }
    }

    fn router(&self, plan: &Plan, site: &Site) -> Router {
        build::router(plan, site, &self.files)
    }

    fn builds(&self, plan: &Plan) -> bool {
        trying(|| self.router(plan, &Site::default())).is_some()
    }

    /// Returns the smallest case that still fails.
    fn reduce(&self, mut case: Case, mut failure: String) -> (Case, String) {
        let started = Instant::now();
        'smaller: loop {
            for reduced in case.reductions() {
                if started.elapsed() > REDUCING {
                    return (case, failure);
                }
                if !self.builds(&reduced.plan) {
                    continue;
                }
                if let Some(found) = self.compare(&reduced).failure {
                    (case, failure) = (reduced, found);
                    continue 'smaller;
                }
            }
            return (case, failure);
        }
    }

    /// Serves the router of a case twice, and compares all outcomes.
    fn compare(&self, case: &Case) -> Compared {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let serving = || runtime.block_on(self.serve_and_compare(case));
        let compared = catch_unwind(AssertUnwindSafe(serving));
        // A panic during the start has not reset it.
        IS_TRYING.set(false);
        let failure = match compared {
            Ok(Ok(compared)) => return compared,
            Ok(Err(error)) => error.to_string(),
            Err(payload) => format!("panic: {}", text_of(payload.as_ref())),
        };
        Compared {
            comparisons: 0,
            allowed: Vec::new(),
            failure: Some(failure),
        }
    }

    async fn serve_and_compare(&self, case: &Case) -> io::Result<Compared> {
        let site = Site::default();
        let bare = serve_bare(self.router(&case.plan, &site)).await?;
        let router = (self.fault)(self.router(&case.plan, &Site::default()));
        let chassis = serve_chassis(router).await;
        let may_be_interim = format!("{:?}", case.plan).contains("Interim(");
        let mut compared = Compared {
            comparisons: 0,
            allowed: Vec::new(),
            failure: None,
        };
        for connection in &case.connections {
            let of =
                |server: &'static str| move |error| io::Error::other(format!("{server}: {error}"));
            let by_bare = exchange(bare, connection).await.map_err(of("axum"))?;
            let by_chassis = exchange(chassis.addr(), connection).await;
            let by_chassis = by_chassis.map_err(of("chassis"))?;
            let outcomes = by_bare.iter().zip(&by_chassis);
            for (index, (bare, chassis)) in outcomes.enumerate() {
                let rest = &connection.requests[index..];
                let request = &rest[0];
                compared.comparisons += 1;
                let pair = Pair {
                    request,
                    mode: connection.mode,
                    is_before_body: rest.iter().any(|request| !request.body.is_none()),
                    was_handled: site.was_handled(request.sequence),
                    may_be_interim,
                    bare,
                    chassis,
                };
                match pair.differences() {
                    Ok(allowed) => compared.allowed.extend(allowed),
                    Err(what) if compared.failure.is_none() => {
                        let sequence = request.sequence;
                        compared.failure = Some(format!(
                            "request {sequence}: {what}\n  axum: {bare:?}\n  chassis: {chassis:?}"
                        ));
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(compared)
    }
}

async fn serve_bare(router: Router) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(addr)
}

/// The service ends with the runtime of the case.
async fn serve_chassis(router: Router) -> TestService {
    IS_TRYING.set(true);
    let service = App::new(build_info!()).router(router);
    let service = TestService::start(service, &[("HTTP2_CLEARTEXT", "true")]).await;
    IS_TRYING.set(false);
    service
}

async fn exchange(addr: SocketAddr, connection: &Connection) -> io::Result<Vec<Outcome>> {
    let mut outcomes = match connection.mode {
        Mode::Http2 => http2::exchange(addr, connection).await?,
        Mode::InTurn | Mode::Pipelined => http1::exchange(addr, connection).await?,
    };
    for outcome in &mut outcomes {
        if let Outcome::Answer(answer) = outcome
            && answer.values("content-encoding").eq([b"gzip"])
            && let Some(body) = unpacked(&answer.body).await
        {
            answer.body = body;
        }
    }
    Ok(outcomes)
}

/// Returns the bytes of a compressed body, since its flushes depend on timing. `None` for a part of
/// a file that is compressed as a whole.
async fn unpacked(body: &[u8]) -> Option<Vec<u8>> {
    let packed = Full::new(Bytes::copy_from_slice(body));
    let answer = Response::builder().header(header::CONTENT_ENCODING, "gzip");
    let answer = answer.body(packed).ok()?;
    let service =
        service_fn(move |_: Request<Body>| future::ready(Ok::<_, Infallible>(answer.clone())));
    let service = DecompressionLayer::new().layer(service);
    let answer = service.oneshot(Request::new(Body::empty())).await.ok()?;
    let body = answer.into_body().collect().await.ok()?;
    Some(body.to_bytes().to_vec())
}
