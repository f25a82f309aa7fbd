//! The builder: what a service is made of, and how it is brought up and taken down.
//!
//! ```
//! use axum::{Router, routing::get};
//! use plimsoll::{App, build_info};
//!
//! let service = App::new(build_info!())
//!     .router(Router::new().route("/hello", get(|| async { "hello\n" })));
//! // In `main`: service.run()
//! # drop(service);
//! ```
//!
//! # The order of things
//!
//! Signals are caught before anything slow; settings are read before anything is opened; the log
//! works before anything can be logged; the address is bound before set-up, which may be long, and
//! listened on after it. The end goes the same way back.
//!
//! This is the only module that knows every part.

mod admin;
mod check;
mod cli;
mod connect;
mod exit;
mod handle;
mod healthcheck;
mod prepared;
mod router;
mod run;
mod start;
mod subscriber;
#[cfg_attr(not(feature = "tls"), path = "app/tls/disabled.rs")]
mod tls;
mod workers;

use std::{
    convert::Infallible, error::Error, ffi::OsString, fmt, future::Future, marker::PhantomData,
    pin::Pin, time::Duration,
};

use axum::{Router, extract::Request, response::IntoResponse, routing::Route};
use tower_layer::Layer as TowerLayer;
use tracing_subscriber::{Layer, Registry};

use self::router::Layers;

#[cfg(feature = "testing")]
pub(crate) use self::start::Running;
use self::subscriber::TracingLayer;
pub use self::{
    connect::{Connect, ConnectError},
    exit::{Exit, StartError},
    handle::Handle,
    prepared::Prepared,
};
use crate::{
    build_info::BuildInfo,
    config::{Environment, Settings},
    edge::{EndpointSet, ProbeAlias},
    telemetry::Output,
};

/// What set-up may fail with.
pub type SetupError = Box<dyn Error + Send + Sync>;

type SetupFuture = Pin<Box<dyn Future<Output = Result<Router, SetupError>> + Send>>;
type Setup<S> = Box<dyn FnOnce(Handle<S>) -> SetupFuture + Send>;

/// A service on its way to being run. `S` are its own settings.
#[must_use = "a service does nothing until it is run"]
pub struct App<S = ()> {
    build: BuildInfo,
    about: &'static str,
    router: Router,
    routing_layers: Layers,
    endpoints: EndpointSet,
    setup: Option<Setup<S>>,
    /// A mistake in the program: the start fails and names it.
    has_two_setups: bool,
    /// Names of settings and their values.
    defaults: Vec<(&'static str, &'static str)>,
    layers: Vec<TracingLayer>,
    /// In place of those of the process.
    arguments: Option<Vec<OsString>>,
    environment: Option<Environment>,
    output: Option<Output>,
    extra_hook_time: Duration,
    settings: PhantomData<fn() -> S>,
}

impl App<()> {
    /// Begins a service with what the build knows of it: see [`build_info!`](crate::build_info!).
    pub fn new(build: BuildInfo) -> Self {
        Self::with_settings(build)
    }

    /// Begins a service with settings of its own, which [`App::setup`] gets through its handle.
    ///
    /// They are read from the same environment as those of the chassis, and they appear in the same
    /// error report, `--check-config` and `--help`.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use plimsoll::{
    ///     Handle, Service, SetupError, build_info,
    ///     config::{Invalid, Reader, Settings},
    /// };
    ///
    /// struct Own {
    ///     greeting: String,
    /// }
    ///
    /// impl Settings for Own {
    ///     fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
    ///         let greeting = from.setting("GREETING", "What `/` says.").default("hello").read();
    ///         Ok(Self { greeting: greeting? })
    ///     }
    /// }
    ///
    /// async fn set_up(handle: Handle<Own>) -> Result<Router, SetupError> {
    ///     let greeting = handle.settings().greeting.clone();
    ///     Ok(Router::new().route("/", get(|| async move { greeting.clone() })))
    /// }
    ///
    /// let service = App::with_settings::<Own>(build_info!()).setup(set_up);
    /// # drop(service);
    /// ```
    pub fn with_settings<S: Settings>(build: BuildInfo) -> App<S> {
        App {
            build,
            about: "",
            router: Router::new(),
            routing_layers: Layers::default(),
            endpoints: EndpointSet::ALL,
            setup: None,
            has_two_setups: false,
            defaults: Vec::new(),
            layers: Vec::new(),
            arguments: None,
            environment: None,
            output: None,
            extra_hook_time: Duration::ZERO,
            settings: PhantomData,
        }
    }
}

impl<S: Settings> App<S> {
    /// Says in one line what the service is for, at the head of `--help`.
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Adds routes. Called again, it adds more.
    ///
    /// # Panics
    ///
    /// Like [`Router::merge`], if two routes clash.
    pub fn router(mut self, router: Router) -> Self {
        self.router = self.router.merge(router);
        self
    }

    /// Puts a layer around the whole router, routing included: it sees a request before its route is
    /// looked for, and may change the path. Called again, it puts the next layer around the former.
    ///
    /// Request ids, access records, labels and probes of the chassis are outside of it, and stay. A
    /// layer for what a router has matched is added with [`Router::layer`].
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
    /// let service = App::new(build_info!())
    ///     .router(Router::new().route("/hello", get(hello)))
    ///     .layer(MapRequestLayer::new(|mut request: Request| {
    ///         if request.uri().path() == "/old" {
    ///             *request.uri_mut() = "/hello".parse().expect("it is a path");
    ///         }
    ///         request
    ///     }));
    /// # drop(service);
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

    /// Leaves a second name of a probe to the application, which may then have a route for it. The
    /// main listener does not answer it; an admin listener does.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use plimsoll::{ProbeAlias, App, build_info};
    ///
    /// let service = App::new(build_info!())
    ///     .release_alias(ProbeAlias::Healthz)
    ///     .router(Router::new().route("/healthz", get(|| async { "all is well" })));
    /// # drop(service);
    /// ```
    pub fn release_alias(mut self, alias: ProbeAlias) -> Self {
        self.endpoints = self.endpoints.without(alias);
        self
    }

    /// Adds routes that need something first: a pool, a client, a setting.
    ///
    /// `setup` runs on the service's runtime, with the address bound and nobody let in yet. Its
    /// routes are added to those of [`App::router`]. If it fails, the service ends with status 1
    /// and a record that says why. A signal cancels it.
    ///
    /// Its error is anything that converts into [`SetupError`]: that type itself, any
    /// [`std::error::Error`], `anyhow::Error`. A closure must name the type, as in
    /// `Ok::<_, SetupError>(router)`. There is one set-up: a second one fails the start.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use plimsoll::{Handle, App, SetupError, build_info};
    ///
    /// async fn set_up(handle: Handle) -> Result<Router, SetupError> {
    ///     handle.on_shutdown("say goodbye", async { tracing::info!("goodbye") });
    ///     Ok(Router::new().route("/hello", get(|| async { "hello\n" })))
    /// }
    ///
    /// let service = App::new(build_info!()).setup(set_up);
    /// # drop(service);
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

    /// Sets the default of a setting, for a program that has always had another one.
    ///
    /// Environment and profile win over it, under the setting's own name and its aliases, and it
    /// wins over the setting's own default. `--help` shows it as the default, `--check-config` with
    /// the origin `code`. A name that is no setting, or a value that the setting rejects, is a
    /// configuration error like any other: exit status 78. The last of several for one name counts.
    ///
    /// ```
    /// use plimsoll::{App, build_info};
    ///
    /// let service = App::new(build_info!())
    ///     .default_setting("PORT", "8888")
    ///     .default_setting("REQUEST_TIMEOUT", "60s");
    /// # drop(service);
    /// ```
    pub fn default_setting(mut self, name: &'static str, value: &'static str) -> Self {
        self.defaults.push((name, value));
        self
    }

    /// Adds a layer to the subscriber of `tracing` that [`App::run`] installs, beside the
    /// chassis's own: an error tracker, a console, an exporter.
    ///
    /// The layer gets every event and span, whatever `LOG_LEVEL` says. Give it a filter of its own
    /// (`with_filter`), which applies to this layer alone. A layer that filters as a whole, such as
    /// a bare `LevelFilter` or `EnvFilter`, also silences the records of the service. `None` is a
    /// layer that does nothing.
    ///
    /// [`App::prepare`] installs no subscriber: there, add layers to your own.
    ///
    /// ```
    /// use plimsoll::{App, build_info};
    /// use tracing_subscriber::{Layer, filter::LevelFilter};
    ///
    /// /// Stands for the layer of an error tracker.
    /// struct Tracker;
    ///
    /// impl<S: tracing::Subscriber> Layer<S> for Tracker {}
    ///
    /// let service = App::new(build_info!())
    ///     .tracing_layer(Tracker.with_filter(LevelFilter::ERROR));
    /// # drop(service);
    /// ```
    pub fn tracing_layer(mut self, layer: impl Layer<Registry> + Send + Sync + 'static) -> Self {
        self.layers.push(layer.boxed());
        self
    }

    /// Gives [`App::run`] these arguments in place of those of the process: the command line then
    /// belongs to the program. `&[]` serves.
    ///
    /// Default: the arguments of the process. Arguments that are not understood end `run` with
    /// status 64, as they do on the command line.
    ///
    /// ```no_run
    /// use plimsoll::{Exit, App, build_info};
    ///
    /// fn main() -> Exit {
    ///     let service = App::new(build_info!());
    ///     let command = std::env::args().nth(1);
    ///     match command.as_deref() {
    ///         Some("serve") => service.arguments(&[]).run(),
    ///         Some("check") => service.arguments(&["--check-config"]).run(),
    ///         // For an image without a shell; `healthcheck` exits with 0 or 1.
    ///         Some("health") => service.arguments(&["healthcheck"]).run(),
    ///         _ => service.arguments(&["--help"]).run(),
    ///     }
    /// }
    /// ```
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = Some(arguments.iter().map(Into::into).collect());
        self
    }

    /// Declares the total time of hooks with a limit of their own, see
    /// [`Handle::on_shutdown_within`]. The default is 0.
    ///
    /// It is a part of the hard limit of the shutdown, `DRAIN_DELAY + SHUTDOWN_TIMEOUT + 3 s` plus
    /// this time, which `--check-config` prints: what stops the process must wait longer than that
    /// before it kills.
    pub fn extra_hook_time(mut self, total: Duration) -> Self {
        self.extra_hook_time = total;
        self
    }

    /// Reads settings from `environment` in the place of the process's own, as tests do.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Logs to `output` in the place of stdout, as tests do.
    pub fn output(mut self, output: Output) -> Self {
        self.output = Some(output);
        self
    }
}

#[cfg(feature = "testing")]
impl<S> App<S> {
    /// The layers of the program, for the subscriber of a test.
    pub(crate) fn take_layers(&mut self) -> Vec<TracingLayer> {
        std::mem::take(&mut self.layers)
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
