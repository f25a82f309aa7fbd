//! `main` for a service: the process as a whole.
//!
//! Signals and the end are watched from the main thread, on a runtime of its own, so that neither a
//! handler that blocks nor a worker that is stuck can keep the process from ending in time.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::{runtime::Builder, time::timeout};

use super::{
    App, Exit, StartError,
    check::check,
    cli::{self, Command},
    exit::StartFailure,
    healthcheck,
    prepared::start_tracer,
    subscriber::install,
    workers::Workers,
};
use crate::{
    config::{
        self, ActivationSockets, ConfigErrors, Environment, Level, LogFormat, LogLevels,
        ServiceManagerEnv, Settings,
    },
    error::chain,
    lifecycle::{
        SdNotify, ShutdownReport, Signals, Stop, Watchdog, WatchdogNotifier, hard_limit,
        stall_limit,
    },
    server::{ActivatedListener, take_activated},
    telemetry::{Log, Output, Record},
};

/// How much later than the hard limit of contract LIFE-1 the watchdog ends the process: it must not
/// be faster than an end that is on its way.
const MARGIN: Duration = Duration::from_millis(250);

/// How long a start that is cancelled may take to let go; a set-up that blocks does not.
const START_ENDS: Duration = Duration::from_millis(100);

/// How long the one record of a failed start may take to be written.
const FAILURE_FLUSH: Duration = Duration::from_secs(1);

impl<S: Settings> App<S> {
    /// Runs the service until a signal ends it. This is the whole of a `main`.
    ///
    /// Understands the [arguments](App::arguments) that `--help` lists, reads the settings, and installs what a
    /// process has only once: the subscriber of `tracing`, the bridge from `log`, the panic hook,
    /// and the handlers of SIGTERM and SIGINT. The service runs on `WORKERS` runtimes of one thread each.
    ///
    /// Call it outside any tokio runtime: a `main` with `#[tokio::main]` ends with status 1 and a
    /// message that says so. A program that brings a runtime calls [`App::prepare`].
    ///
    /// There is one main listener: limits, drain and the report are about its connections. A second
    /// one, such as for a redirect from port 80, is a server of the program's own: set-up binds it
    /// and serves it until [`Handle::shutdown_token`](super::Handle::shutdown_token) is cancelled.
    pub fn run(mut self) -> Exit {
        let given = self.arguments.take();
        let arguments = given.unwrap_or_else(|| std::env::args_os().skip(1).collect());
        let command = match cli::parse(arguments.into_iter()) {
            Ok(command) => command,
            Err(mistake) => {
                say(io::stderr(), &format!("{mistake}\n"));
                return Exit::USAGE;
            }
        };
        match command {
            Command::Help => {
                let defaults = Environment::default().with_defaults(&self.defaults);
                let definitions = config::definitions_in::<S>(&self.build, &defaults);
                let help = definitions.help(self.build.service(), self.about);
                say(io::stdout(), &help);
                Exit::SUCCESS
            }
            Command::Version => {
                let build = &self.build;
                let line = format!(
                    "{} {} ({})\n",
                    build.service(),
                    build.version(),
                    build.build_time()
                );
                say(io::stdout(), &line);
                Exit::SUCCESS
            }
            Command::CheckConfig { env_file } => self.check_config(env_file),
            Command::HealthCheck { env_file } => {
                let environment = self.take_environment(env_file);
                match healthcheck::run(config::load::<S>(&self.build, &environment)) {
                    Ok(()) => Exit::SUCCESS,
                    Err(problem) => {
                        say(io::stderr(), &format!("unhealthy: {problem}\n"));
                        Exit::FAILURE
                    }
                }
            }
            Command::Serve { env_file } => self.run_service(env_file),
        }
    }

    fn run_service(mut self, env_file: Option<PathBuf>) -> Exit {
        if let Err(error) = self.check_program() {
            say(io::stderr(), &format!("{error}\n"));
            return Exit::FAILURE;
        }
        let environment = self.take_environment(env_file);
        let manager = ServiceManagerEnv::of(&environment, std::process::id());
        // Before any descriptor is opened, which might get the number of one that is missing.
        let inherited = inherit(&manager.sockets);
        // Before anything that takes time, so that a signal is never lost (contract LIFE-4).
        let control = match Builder::new_current_thread().enable_all().build() {
            Ok(control) => control,
            Err(error) => return failed_early("runtime", &error),
        };
        let signals = control.block_on(async { Signals::install() });
        let mut signals = match signals {
            Ok(signals) => signals,
            Err(error) => return failed_early("signal handler", &error),
        };
        let loaded = config::load::<S>(&self.build, &environment);
        let (loaded, inherited) = match (loaded, inherited) {
            (Ok(loaded), Ok(inherited)) => (loaded, inherited),
            (Err(errors), Ok(_)) | (Ok(_), Err(errors)) => return self.misconfigured(errors),
            (Err(errors), Err(more)) => return self.misconfigured(errors.and(more)),
        };
        let log = match self.start_log(&loaded.config) {
            Ok(log) => log,
            Err(error) => {
                say(io::stderr(), &format!("{}\n", chain(&error)));
                return Exit(error.exit_status());
            }
        };
        let tracer = match start_tracer(&loaded.config, &log) {
            Ok(tracer) => tracer,
            Err(error) => return failed(&log, &error),
        };
        if let Err(error) = install(&log, &tracer, std::mem::take(&mut self.layers)) {
            return failed(&log, &error.into());
        }
        if let ActivationSockets::OfAnother { pid } = manager.sockets {
            log.infra(Level::Info, "sockets_ignored", |record| {
                record.number("listenPid", pid);
            });
        }
        raise_file_limit();
        let workers = match Workers::start(loaded.config.workers) {
            Ok(workers) => workers,
            Err(source) => {
                let what = "worker threads";
                return failed(&log, &StartFailure::System { what, source }.into());
            }
        };
        let handles = workers.handles();
        // Set-up and hooks run on the first worker; there is one at least.
        let home = handles.first().unwrap_or(control.handle()).clone();
        let prepared = self.prepare_with(loaded, log.clone(), handles, tracer);
        let lifecycle = Arc::clone(&prepared.lifecycle);
        let reload = Arc::clone(&prepared.reload);
        if let Some(mut hangup) = signals.hangup() {
            control.spawn(async move {
                while hangup.recv().await.is_some() {
                    reload.notify_one();
                }
            });
        }
        for (name, mut signal) in signals.ignored() {
            let log = log.clone();
            control.spawn(async move {
                while signal.recv().await.is_some() {
                    log.infra(Level::Info, "signal_ignored", |record| {
                        record.str("signal", name);
                    });
                }
            });
        }
        let notify = SdNotify::new(manager.notify_socket.as_deref(), log.clone());
        let signs = manager.watchdog.map(|patience| {
            let limit = stall_limit(prepared.config().request_timeout);
            WatchdogNotifier::new(Arc::clone(&notify), patience, limit)
        });
        let (pulse, registry) = (Arc::clone(&prepared.pulse), Arc::clone(&prepared.registry));
        let watchdog = match Watchdog::start(pulse, signs, registry, log.clone()) {
            Ok(watchdog) => watchdog,
            Err(source) => {
                let what = "thread for the watchdog";
                return failed(&log, &StartFailure::System { what, source }.into());
            }
        };
        let extra_hook_time = prepared.handle.hooks.extra_time();
        let end_within = hard_limit(prepared.config(), extra_hook_time).saturating_add(MARGIN);
        let result = control.block_on(async {
            let bindings = prepared.bind(inherited.main)?;
            let mut starting = home.spawn(prepared.start_on(bindings));
            let (started, early) = tokio::select! {
                started = &mut starting => (started, None),
                stop = signals.next() => {
                    if lifecycle.cancel_start() {
                        notify.stopping();
                        starting.abort();
                        // What it holds, such as the file of a socket, goes with it.
                        let _ = timeout(START_ENDS, starting).await;
                        return Ok(RunOutcome::Early(stop));
                    }
                    // It accepts connections by now, and ends as if it had for long.
                    (starting.await, Some(stop))
                }
            };
            let running = started.map_err(|_| StartFailure::SetupPanicked)??;
            notify.ready();
            let stop = match early {
                Some(stop) => stop,
                None => signals.next().await,
            };
            watchdog.end_within(end_within);
            notify.stopping();
            let force = async {
                if stop != Stop::Quit {
                    signals.next().await;
                }
            };
            Ok(RunOutcome::Late(running.end(stop, force).await))
        });
        // Tasks that are left are dropped, and threads that are stuck are left behind: what had to
        // be written has been.
        workers.end();
        control.shutdown_background();
        match result {
            Ok(RunOutcome::Late(report)) => Exit(report.exit_status()),
            Ok(RunOutcome::Early(stop)) => {
                finish(&log, ShutdownReport::new(stop.as_str()));
                Exit::SUCCESS
            }
            Err(error) => failed(&log, &error),
        }
    }

    /// Writes what a start would do with the settings, and starts nothing (contract CFG-6).
    fn check_config(mut self, env_file: Option<PathBuf>) -> Exit {
        if let Err(error) = self.check_program() {
            say(io::stderr(), &format!("{error}\n"));
            return Exit::FAILURE;
        }
        let environment = self.take_environment(env_file);
        match config::load::<S>(&self.build, &environment) {
            Ok(loaded) => {
                let found = check(&loaded, hard_limit(&loaded.config, self.extra_hook_time));
                say(io::stdout(), &found.report);
                say(io::stderr(), &(found.problems.clone() + &found.notes));
                if found.problems.is_empty() {
                    Exit::SUCCESS
                } else {
                    Exit(ConfigErrors::EXIT_STATUS)
                }
            }
            Err(errors) => {
                say(io::stderr(), &format!("{errors}\n"));
                Exit(ConfigErrors::EXIT_STATUS)
            }
        }
    }

    /// Rejects what is wrong with the program that calls [`App::run`].
    fn check_program(&self) -> Result<(), StartFailure> {
        if tokio::runtime::Handle::try_current().is_ok() {
            return Err(StartFailure::InsideRuntime);
        }
        self.check_builder()
    }

    /// Tells every mistake: on stderr for a person, as one record for a machine (contract CFG-3).
    fn misconfigured(mut self, errors: ConfigErrors) -> Exit {
        say(io::stderr(), &format!("{errors}\n"));
        let output = self.output.take().map_or_else(Output::stdout, Ok);
        let levels = LogLevels::all(Level::Info);
        if let Ok(log) = output.and_then(|out| Log::start(out, LogFormat::Json, levels, 1)) {
            let problems = errors.clone();
            log.finish(
                FAILURE_FLUSH,
                Level::Error,
                "config_invalid",
                move |record, _| {
                    let objects = problems.records().map(|(variable, message)| {
                        vec![("variable", variable.to_owned()), ("message", message)]
                    });
                    record.objects("problems", objects);
                },
            );
        }
        Exit(StartError::from(StartFailure::Config(errors)).exit_status())
    }
}

/// How the time between start and end went.
enum RunOutcome {
    /// A signal came before the service was ready.
    Early(Stop),
    Late(ShutdownReport),
}

/// Takes what the service manager hands over.
fn inherit(sockets: &ActivationSockets) -> Result<ActivatedListener, ConfigErrors> {
    match sockets {
        ActivationSockets::None | ActivationSockets::OfAnother { .. } => {
            Ok(ActivatedListener::default())
        }
        ActivationSockets::Named(names) => {
            take_activated(names).map_err(|found| ActivationSockets::unusable(names.len(), found))
        }
        ActivationSockets::Mistake(errors) => Err(errors.clone()),
    }
}

/// Lets the process have as many descriptors as it may (contract SRV-6).
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Refused only where a sandbox forbids the call; the limit on connections then protects less.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    );
}

fn failed(log: &Log, error: &StartError) -> Exit {
    let text = chain(error);
    say(io::stderr(), &format!("{text}\n"));
    let write = move |record: &mut Record<'_>, _| record.str("error", &text);
    log.finish(FAILURE_FLUSH, Level::Critical, "start_failed", write);
    Exit(error.exit_status())
}

fn failed_early(what: &str, error: &io::Error) -> Exit {
    say(
        io::stderr(),
        &format!("the operating system gave no {what}: {error}\n"),
    );
    Exit::FAILURE
}

fn finish(log: &Log, report: ShutdownReport) {
    log.finish(
        FAILURE_FLUSH,
        Level::Info,
        "shutdown_complete",
        move |record, totals| {
            report.write(record, totals);
        },
    );
}

/// Writes for a person. Nobody may be there to read, and that is no reason to fail.
fn say(mut out: impl io::Write, text: &str) {
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
