//! Runs a service as a process: command line, start, service, shutdown, exit status.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::{runtime, sync::Notify, time::timeout};

use super::{
    admin_command,
    builder::App,
    check::check,
    cli::{self, Command},
    exit::{Exit, StartError, StartFailure},
    healthcheck,
    monitor::Monitor,
    prepared::{Prepared, start_tracer},
    process::{Process, log_ignored_sockets, raise_file_limit, take_sockets},
    startup::Startup,
    subscriber,
    workers::Workers,
};
use crate::{
    config::{
        self, ConfigErrors, Environment, Level, Loaded, LogFormat, LogLevels, ServiceManagerEnv,
        Settings,
    },
    error::chain,
    lifecycle::{ShutdownReport, Signals, Stop, hard_limit},
    otlp::Tracer,
    server::{ActivatedListener, Bound},
    telemetry::{Log, Output, Record},
};

/// How long a cancelled start may take to release its resources. A set-up that blocks exceeds it.
const ABORT_TIMEOUT: Duration = Duration::from_millis(100);

/// How long the last log record may take if the service did not start.
const FAILURE_FLUSH: Duration = Duration::from_secs(1);

impl<S: Settings> App<S> {
    /// Runs the service until a signal ends it, and returns the exit status for `main`.
    ///
    /// It parses the [arguments](App::arguments) that `--help` lists, and reads the settings. It installs
    /// the global parts of the process: the `tracing` subscriber, the `log` bridge, the panic hook and
    /// the signal handlers. The service runs on `WORKERS` runtimes with one thread each.
    ///
    /// If it is called inside a tokio runtime, such as in a `#[tokio::main]`, it prints an error and
    /// returns status 1. A program with its own runtime calls [`App::prepare`].
    ///
    /// There is one main listener: limits, drain and report apply to its connections. Another listener,
    /// such as for a redirect from port 80, is a server of the program's own. Set-up binds it, and serves
    /// it until [`Handle::shutdown_token`](crate::Handle::shutdown_token) is cancelled.
    pub fn run(mut self) -> Exit {
        let arguments = self.arguments.take();
        let arguments = arguments.unwrap_or_else(|| std::env::args_os().skip(1).collect());
        let command = match cli::parse(arguments.into_iter()) {
            Ok(command) => command,
            Err(error) => {
                print(io::stderr(), &format!("{error}\n"));
                return Exit::USAGE;
            }
        };
        match command {
            Command::Help => {
                let defaults = Environment::default().with_defaults(&self.defaults);
                let definitions = config::definitions_in::<S>(&self.build, &defaults);
                let help = definitions.help(self.build.service(), self.about);
                print(io::stdout(), &help);
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
                print(io::stdout(), &line);
                Exit::SUCCESS
            }
            Command::CheckConfig { env_file } => self.check_config(env_file),
            Command::HealthCheck { env_file } => {
                let environment = self.take_environment(env_file);
                match healthcheck::run(config::load::<S>(&self.build, &environment)) {
                    Ok(()) => Exit::SUCCESS,
                    Err(problem) => {
                        print(io::stderr(), &format!("unhealthy: {problem}\n"));
                        Exit::FAILURE
                    }
                }
            }
            Command::Admin { env_file, request } => {
                let environment = self.take_environment(env_file);
                match admin_command::run(config::load::<S>(&self.build, &environment), request) {
                    Ok((is_success, body)) => {
                        print(io::stdout(), &String::from_utf8_lossy(&body));
                        if is_success {
                            Exit::SUCCESS
                        } else {
                            Exit::FAILURE
                        }
                    }
                    Err(problem) => {
                        print(io::stderr(), &format!("admin: {problem}\n"));
                        Exit::FAILURE
                    }
                }
            }
            Command::Serve { env_file } => match self.run_service(env_file) {
                Ok(exit) | Err(exit) => exit,
            },
        }
    }

    /// Runs the service from the start of the process to its exit.
    ///
    /// A step that fails reports its error, and returns the exit status.
    fn run_service(mut self, env_file: Option<PathBuf>) -> Result<Exit, Exit> {
        self.check_program().map_err(print_failure)?;
        let environment = self.take_environment(env_file);
        let manager = ServiceManagerEnv::of(&environment, std::process::id());
        // Before any descriptor is opened, which might reuse the number of a missing one.
        let sockets = take_sockets(&manager.sockets);
        // Before anything that takes time, so that no signal is lost (contract LIFE-4).
        let mut process = Process::install().map_err(print_failure)?;
        let (loaded, sockets) = self.load_settings(&environment, sockets)?;
        let (log, tracer) = self.start_telemetry(&loaded.config)?;
        let failed = |error: StartFailure| log_failure(&log, &error.into());
        log_ignored_sockets(&manager.sockets, &log);
        raise_file_limit();
        let workers = Workers::start(loaded.config.workers)
            .map_err(StartFailure::system("worker threads"))
            .map_err(failed)?;
        let handles = workers.handles();
        // Set-up and hooks run on the first worker. There is always one.
        let home = handles.first().unwrap_or(process.control.handle()).clone();
        let service = self.prepare_with(loaded, log.clone(), handles, tracer);
        process.handle_other_signals(&service.reload, &log);
        let monitor = Monitor::start(&manager, &service).map_err(failed)?;
        let main = serve(service, sockets.main, &home, &mut process.signals, &monitor);
        let outcome = process.control.block_on(main);
        // Remaining tasks are dropped, and blocked threads are not waited for: all records are written.
        workers.end();
        process.control.shutdown_background();
        match outcome {
            Ok(RunOutcome::ShutDown(report)) => Ok(Exit(report.exit_status())),
            Ok(RunOutcome::StartCancelled(stop)) => {
                log_shutdown(&log, ShutdownReport::new(stop.as_str()));
                Ok(Exit::SUCCESS)
            }
            Err(error) => Err(log_failure(&log, &error)),
        }
    }

    /// Reads the settings. Reports their errors together with those of the manager's sockets.
    fn load_settings(
        &mut self,
        environment: &Environment,
        sockets: Result<ActivatedListener, ConfigErrors>,
    ) -> Result<(Loaded<S>, ActivatedListener), Exit> {
        let loaded = config::load::<S>(&self.build, environment);
        let errors = match (loaded, sockets) {
            (Ok(loaded), Ok(sockets)) => return Ok((loaded, sockets)),
            (Err(errors), Ok(_)) | (Ok(_), Err(errors)) => errors,
            (Err(errors), Err(more)) => errors.and(more),
        };
        Err(self.report_config_errors(errors))
    }

    /// Starts log and traces, and installs the global subscriber.
    fn start_telemetry(&mut self, config: &config::Config) -> Result<(Log, Tracer), Exit> {
        let log = self.start_log(config).map_err(print_failure)?;
        let tracer = start_tracer(config, &log).map_err(|error| log_failure(&log, &error))?;
        subscriber::install(&log, &tracer, std::mem::take(&mut self.tracing_layers))
            .map_err(|error| log_failure(&log, &error.into()))?;
        Ok((log, tracer))
    }

    /// Prints the settings and what a start would do with them, without starting (contract CFG-6).
    fn check_config(mut self, env_file: Option<PathBuf>) -> Exit {
        if let Err(error) = self.check_program() {
            return print_failure(error);
        }
        let environment = self.take_environment(env_file);
        match config::load::<S>(&self.build, &environment) {
            Ok(loaded) => {
                let findings = check(&loaded, hard_limit(&loaded.config, self.extra_hook_time));
                print(io::stdout(), &findings.report);
                print(io::stderr(), &(findings.problems.clone() + &findings.notes));
                if findings.problems.is_empty() {
                    Exit::SUCCESS
                } else {
                    Exit(ConfigErrors::EXIT_STATUS)
                }
            }
            Err(errors) => {
                print(io::stderr(), &format!("{errors}\n"));
                Exit(ConfigErrors::EXIT_STATUS)
            }
        }
    }

    /// Rejects mistakes in the program that calls [`App::run`].
    fn check_program(&self) -> Result<(), StartFailure> {
        if runtime::Handle::try_current().is_ok() {
            return Err(StartFailure::InsideRuntime);
        }
        self.check_builder()
    }

    /// Reports all configuration errors, on stderr and as one log record (contract CFG-3).
    fn report_config_errors(&mut self, errors: ConfigErrors) -> Exit {
        print(io::stderr(), &format!("{errors}\n"));
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

/// How a service ended after its start had begun.
enum RunOutcome {
    /// A signal arrived before connections were accepted.
    StartCancelled(Stop),
    ShutDown(ShutdownReport),
}

/// Starts the service on `home`, serves until a signal, and shuts it down.
///
/// `main` is the socket of the service manager, if there is one.
async fn serve<S: Settings>(
    service: Prepared<S>,
    main: Option<Bound>,
    home: &runtime::Handle,
    signals: &mut Signals,
    monitor: &Monitor,
) -> Result<RunOutcome, StartError> {
    let lifecycle = Arc::clone(&service.lifecycle);
    let drain = Arc::clone(&service.drain);
    let startup = Startup::bind(service, main)?;
    let mut starting = home.spawn(startup.run());
    let (started, early_stop) = tokio::select! {
        started = &mut starting => (started, None),
        stop = next_stop(signals, &drain) => {
            if lifecycle.cancel_start() {
                monitor.start_cancelled();
                starting.abort();
                // Waits until it has released its resources, such as the file of a socket.
                let _ = timeout(ABORT_TIMEOUT, starting).await;
                return Ok(RunOutcome::StartCancelled(stop));
            }
            // Connections are accepted already: the shutdown is a regular one.
            (starting.await, Some(stop))
        }
    };
    let running = started.map_err(|_| StartFailure::SetupPanicked)??;
    monitor.service_started();
    let stop = match early_stop {
        Some(stop) => stop,
        None => next_stop(signals, &drain).await,
    };
    monitor.shutdown_started();
    let force = async {
        let mut first = stop;
        if first == Stop::Operator {
            // The orchestrator may send SIGTERM to a service that drains already, as its first signal.
            first = signals.next().await;
        }
        if first != Stop::Quit {
            signals.next().await;
        }
    };
    Ok(RunOutcome::ShutDown(running.end(stop, force).await))
}

/// Waits for a signal that ends the service, or for an operator that drains it.
async fn next_stop(signals: &mut Signals, drain: &Notify) -> Stop {
    tokio::select! {
        stop = signals.next() => stop,
        () = drain.notified() => Stop::Operator,
    }
}

/// Prints an error that occurred before the log was started.
fn print_failure(error: impl Into<StartError>) -> Exit {
    let error = error.into();
    print(io::stderr(), &format!("{}\n", chain(&error)));
    Exit(error.exit_status())
}

/// Prints and logs an error that occurred after the log was started.
fn log_failure(log: &Log, error: &StartError) -> Exit {
    let text = chain(error);
    print(io::stderr(), &format!("{text}\n"));
    let write = move |record: &mut Record<'_>, _| record.str("error", &text);
    log.finish(FAILURE_FLUSH, Level::Critical, "start_failed", write);
    Exit(error.exit_status())
}

/// Logs the report of a start that was cancelled.
fn log_shutdown(log: &Log, report: ShutdownReport) {
    log.finish(
        FAILURE_FLUSH,
        Level::Info,
        "shutdown_complete",
        move |record, totals| {
            report.write(record, totals);
        },
    );
}

/// Writes to stdout or stderr. Errors are ignored, because there may be no reader.
fn print(mut out: impl io::Write, text: &str) {
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
