//! The builder of a service.

use std::{
    convert::Infallible, ffi::OsString, fmt, future::Future, marker::PhantomData, pin::Pin,
    time::Duration,
};

use axum::{Router, extract::Request, response::IntoResponse, routing::Route};
use tower_layer::Layer as TowerLayer;
use tracing_subscriber::{Layer, Registry};

use super::{exit::SetupError, handle::Handle, router::Layers, subscriber::TracingLayer};
#[cfg(feature = "testing")]
use crate::check::{CheckFn, Dependency};
use crate::{
    build_info::BuildInfo,
    config::{Environment, Settings},
    edge::{EndpointSet, ProbeAlias},
    telemetry::Output,
};

type SetupFuture = Pin<Box<dyn Future<Output = Result<Router, SetupError>> + Send>>;
pub(super) type Setup<S> = Box<dyn FnOnce(Handle<S>) -> SetupFuture + Send>;

/// Builds and runs a service. `S` is the type of its own settings.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use plimsoll::{App, Exit, build_info};
///
/// fn main() -> Exit {
///     App::new(build_info!())
///         .router(Router::new().route("/hello", get(|| async { "hello\n" })))
///         .run()
/// }
/// ```
#[must_use = "a service does nothing until it is run"]
pub struct App<S = ()> {
    pub(super) build: BuildInfo,
    pub(super) about: &'static str,
    pub(super) router: Router,
    pub(super) routing_layers: Layers,
    pub(super) endpoints: EndpointSet,
    pub(super) setup: Option<Setup<S>>,
    /// Whether `setup` was called twice, which fails the start.
    pub(super) has_two_setups: bool,
    /// Default values of settings, by name.
    pub(super) defaults: Vec<(&'static str, &'static str)>,
    pub(super) tracing_layers: Vec<TracingLayer>,
    /// Arguments in place of those of the process.
    pub(super) arguments: Option<Vec<OsString>>,
    pub(super) environment: Option<Environment>,
    pub(super) output: Option<Output>,
    pub(super) extra_hook_time: Duration,
    /// Functions that replace those of checks, by the name of the check.
    #[cfg(feature = "testing")]
    pub(super) fakes: Vec<(&'static str, CheckFn)>,
    settings: PhantomData<fn() -> S>,
}

impl App<()> {
    /// Creates a service without settings of its own. [`build_info!`](crate::build_info!) makes `build`.
    pub fn new(build: BuildInfo) -> Self {
        Self::with_settings(build)
    }

    /// Creates a service with settings of its own, which set-up reads through [`Handle::settings`].
    ///
    /// They are read from the same environment as the chassis's settings. They appear in the same error
    /// report, in `--check-config` and in `--help`.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use plimsoll::{
    ///     App, Handle, SetupError, build_info,
    ///     config::{Invalid, Reader, Settings},
    /// };
    ///
    /// struct Own {
    ///     greeting: String,
    /// }
    ///
    /// impl Settings for Own {
    ///     fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
    ///         let greeting = from.setting("GREETING", "The text of `/`.").default("hello").read();
    ///         Ok(Self { greeting: greeting? })
    ///     }
    /// }
    ///
    /// async fn set_up(handle: Handle<Own>) -> Result<Router, SetupError> {
    ///     let greeting = handle.settings().greeting.clone();
    ///     Ok(Router::new().route("/", get(|| async move { greeting.clone() })))
    /// }
    ///
    /// let app = App::with_settings::<Own>(build_info!()).setup(set_up);
    /// # drop(app);
    /// ```
    pub fn with_settings<S: Settings>(build: BuildInfo) -> App<S> {
        App {
            build,
            about: "",
            router: Router::new(),
            routing_layers: Layers::default(),
            endpoints: EndpointSet::ALL.with_info(false),
            setup: None,
            has_two_setups: false,
            defaults: Vec::new(),
            tracing_layers: Vec::new(),
            arguments: None,
            environment: None,
            output: None,
            extra_hook_time: Duration::ZERO,
            #[cfg(feature = "testing")]
            fakes: Vec::new(),
            settings: PhantomData,
        }
    }
}

impl<S: Settings> App<S> {
    /// Sets the one-line description at the head of `--help`.
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Adds routes. Further calls add more.
    ///
    /// # Panics
    ///
    /// If two routes clash, as [`Router::merge`] does.
    pub fn router(mut self, router: Router) -> Self {
        self.router = self.router.merge(router);
        self
    }

    /// Wraps the whole router in a layer, which may change the path before a route is matched.
    ///
    /// The layer of a further call wraps the earlier ones. Request ids, access records, labels and
    /// probes of the chassis are outside of all of them. For a layer that runs after routing, use
    /// [`Router::layer`].
    ///
    /// ```
    /// use axum::{Router, extract::Request, routing::get};
    /// use plimsoll::{App, build_info};
    /// use tower::util::MapRequestLayer;
    ///
    /// async fn hello() -> &'static str {
    ///     "hello"
    /// }
    ///
    /// let app = App::new(build_info!())
    ///     .router(Router::new().route("/hello", get(hello)))
    ///     .layer(MapRequestLayer::new(|mut request: Request| {
    ///         if request.uri().path() == "/old" {
    ///             *request.uri_mut() = "/hello".parse().expect("a valid path");
    ///         }
    ///         request
    ///     }));
    /// # drop(app);
    /// ```
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: TowerLayer<Route> + Clone + Send + Sync + 'static,
        L::Service: tower_service::Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as tower_service::Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as tower_service::Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as tower_service::Service<Request>>::Future: Send + 'static,
    {
        let layer = Box::new(|router: Router| router.layer(layer));
        self.routing_layers.0.push(layer);
        self
    }

    /// Releases an alias of a probe, so that the application may have a route for its path.
    ///
    /// The main listener does not answer the alias then. An admin listener still does.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use plimsoll::{App, ProbeAlias, build_info};
    ///
    /// let app = App::new(build_info!())
    ///     .release_alias(ProbeAlias::Healthz)
    ///     .router(Router::new().route("/healthz", get(|| async { "healthy" })));
    /// # drop(app);
    /// ```
    pub fn release_alias(mut self, alias: ProbeAlias) -> Self {
        self.endpoints = self.endpoints.without(alias);
        self
    }

    /// Makes the main listener answer `/info` with name, version and build time of the service.
    ///
    /// Without it, the path is free for a route of the application. An admin listener always answers
    /// it.
    ///
    /// ```
    /// use plimsoll::{App, build_info};
    ///
    /// let app = App::new(build_info!()).info();
    /// # drop(app);
    /// ```
    pub fn info(mut self) -> Self {
        self.endpoints = self.endpoints.with_info(true);
        self
    }

    /// Replaces the health check named `check` by one of a [`Dependency`], in a test.
    ///
    /// Name, policy and times stay those of the check. If set-up registers no such check, the start
    /// fails.
    #[cfg(feature = "testing")]
    pub fn fake(mut self, check: &'static str, dependency: &Dependency) -> Self {
        self.fakes.push((check, dependency.check()));
        self
    }

    /// Adds routes that depend on a pool, a client or a setting.
    ///
    /// `setup` runs on the service's runtime, after the address is bound and before connections are
    /// accepted. Its routes are added to those of [`App::router`]. If it fails, the error is logged and
    /// the process exits with status 1. A signal cancels it.
    ///
    /// The error is any type that converts into [`SetupError`]: any [`std::error::Error`],
    /// `anyhow::Error`, or that type itself. A closure must name the type, as in
    /// `Ok::<_, SetupError>(router)`. If `setup` is called twice, the start fails.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use plimsoll::{App, Handle, SetupError, build_info};
    ///
    /// async fn set_up(handle: Handle) -> Result<Router, SetupError> {
    ///     handle.on_shutdown("say goodbye", async { tracing::info!("goodbye") });
    ///     Ok(Router::new().route("/hello", get(|| async { "hello\n" })))
    /// }
    ///
    /// let app = App::new(build_info!()).setup(set_up);
    /// # drop(app);
    /// ```
    pub fn setup<F, Fut, E>(mut self, setup: F) -> Self
    where
        F: FnOnce(Handle<S>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Router, E>> + Send + 'static,
        E: Into<SetupError>,
    {
        self.has_two_setups = self.setup.is_some();
        self.setup = Some(Box::new(|handle| {
            let routes = setup(handle);
            Box::pin(async move { routes.await.map_err(Into::into) })
        }));
        self
    }

    /// Replaces the default value of a setting.
    ///
    /// Environment and profile take precedence over it, also under an alias of the setting. `--help`
    /// shows it as the default, and `--check-config` shows the origin `code`. An unknown name and an
    /// invalid value are configuration errors: exit status 78. If a name is set twice, the last value
    /// counts.
    ///
    /// ```
    /// use plimsoll::{App, build_info};
    ///
    /// let app = App::new(build_info!())
    ///     .default_setting("PORT", "8888")
    ///     .default_setting("REQUEST_TIMEOUT", "60s");
    /// # drop(app);
    /// ```
    pub fn default_setting(mut self, name: &'static str, value: &'static str) -> Self {
        self.defaults.push((name, value));
        self
    }

    /// Adds a layer to the `tracing` subscriber that [`App::run`] installs, such as an error tracker.
    ///
    /// The layer gets every event and span, independent of `LOG_LEVEL`. `with_filter` gives it a filter
    /// that applies to this layer only. A global filter, such as a bare `LevelFilter` or `EnvFilter`,
    /// also suppresses the log records of the service. `None` is a layer that does nothing.
    ///
    /// [`App::prepare`] installs no subscriber: add layers to your own instead.
    ///
    /// ```
    /// use plimsoll::{App, build_info};
    /// use tracing_subscriber::{Layer, filter::LevelFilter};
    ///
    /// /// The layer of an error tracker.
    /// struct Tracker;
    ///
    /// impl<S: tracing::Subscriber> Layer<S> for Tracker {}
    ///
    /// let app = App::new(build_info!())
    ///     .tracing_layer(Tracker.with_filter(LevelFilter::ERROR));
    /// # drop(app);
    /// ```
    pub fn tracing_layer(mut self, layer: impl Layer<Registry> + Send + Sync + 'static) -> Self {
        self.tracing_layers.push(layer.boxed());
        self
    }

    /// Sets the arguments of [`App::run`], for a program with a command line of its own.
    ///
    /// The default is the arguments of the process. `&[]` serves. If an argument is unknown, `run`
    /// returns status 64.
    ///
    /// ```no_run
    /// use plimsoll::{App, Exit, build_info};
    ///
    /// fn main() -> Exit {
    ///     let app = App::new(build_info!());
    ///     let command = std::env::args().nth(1);
    ///     match command.as_deref() {
    ///         Some("serve") => app.arguments(&[]).run(),
    ///         Some("check") => app.arguments(&["--check-config"]).run(),
    ///         // For images without a shell: `healthcheck` exits with 0 or 1.
    ///         Some("health") => app.arguments(&["healthcheck"]).run(),
    ///         _ => app.arguments(&["--help"]).run(),
    ///     }
    /// }
    /// ```
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = Some(arguments.iter().map(Into::into).collect());
        self
    }

    /// Declares the total of the limits of [`Handle::on_shutdown_within`]. The default is 0.
    ///
    /// The hard limit of the shutdown is `DRAIN_DELAY + SHUTDOWN_TIMEOUT + 3 s` plus this time.
    /// `--check-config` prints it. The kill timeout of the platform must be longer.
    pub fn extra_hook_time(mut self, total: Duration) -> Self {
        self.extra_hook_time = total;
        self
    }

    /// Reads settings from `environment` in place of the process environment, for tests.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Logs to `output` in place of stdout, for tests.
    pub fn output(mut self, output: Output) -> Self {
        self.output = Some(output);
        self
    }
}

#[cfg(feature = "testing")]
impl<S> App<S> {
    /// Takes the layers of the program, for the subscriber of a test.
    pub(crate) fn take_layers(&mut self) -> Vec<TracingLayer> {
        std::mem::take(&mut self.tracing_layers)
    }
}

impl<S> fmt::Debug for App<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("build", &self.build)
            .field("router", &self.router)
            .finish_non_exhaustive()
    }
}
