//! A live local page for services in development.
//!
//! The console starts services, keeps what they write, and shows it on one page.
//! Everything is in memory, within a budget.
//!
//! Modules, each of which uses only those below it: `serve`, `children`, `ingest`, `store`.
//! The exception is `ingest::fields`, which the store uses: it reads one line and depends on nothing.

mod children;
mod ingest;
mod options;
mod serve;
mod store;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

pub use self::options::{Child, LogFile, Options};
use self::{
    children::{Children, Exporter, Handling},
    ingest::{
        otlp::{collector::Collector, names::Instances},
        scrape::Charts,
    },
    serve::{Credentials, Listen, Page, PageError, Parts, Receiver},
    store::{Budget, Exit, Store, span::Spans},
};

/// Threads of the page and its searches.
const WORKERS: usize = 2;

/// Added to the number of a signal that has ended a service, as shells do.
const SIGNAL_STATUS: i32 = 128;

/// A console that cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The options contradict each other, or name something impossible.
    #[error("{0}")]
    Options(String),

    /// The page cannot be served.
    #[error(transparent)]
    Page(#[from] NoPage),

    /// The system refuses threads or signal handlers.
    #[error("cannot start the console")]
    System(#[from] io::Error),
}

/// A page that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct NoPage(#[from] PageError);

/// Runs a console until a signal, and until all its services have ended.
///
/// It must be called on the main thread, whose end kills the services.
/// Returns the status of the service that has ended the console, else 0.
///
/// # Errors
///
/// [`ConsoleError`] before any service is started.
pub fn run(options: &Options) -> Result<u8, ConsoleError> {
    let (launches, attachments) = options.check().map_err(ConsoleError::Options)?;
    let store = Arc::new(Store::new(options.memory));
    let handling = Handling {
        grace: options.grace,
        exit_with_child: options.exit_with_child,
        is_quiet: options.quiet,
    };
    let listen = Listen {
        page: options.listen,
        otlp: options.otlp,
        allowed_hosts: options.allowed_hosts.clone(),
    };
    let runtime = runtime()?;
    let exit = runtime.block_on(async {
        let signals = signals()?;
        let charts = Charts::new(Arc::clone(&store));
        store.observe(vec![charts.observer()]);
        let spans = Arc::new(Spans::new(Budget::of(options.memory).spans));
        let credentials = Credentials::new().map_err(NoPage)?;
        let instances = Instances::new(&Credentials::nonce().map_err(NoPage)?);
        let collector = Collector::new(Arc::clone(&store), Arc::clone(&spans), instances.clone());
        let origin = options.otlp_origin.as_deref();
        let receiver = Receiver::start(&listen, &credentials, &store, &collector, origin).await;
        let receiver = receiver.map_err(NoPage)?;
        let exporter = Exporter {
            endpoint: receiver.url(),
            instances,
        };
        let (children, services) =
            Children::new(launches, attachments, handling, exporter, &store, &charts)?;
        let parts = Parts {
            store,
            services,
            charts,
            spans,
        };
        let page = Page::start(&listen, credentials, &parts).await;
        let page = page.map_err(NoPage)?;
        children.announce(&announcement(&page, &receiver));
        if options.open {
            open(&page);
        }
        let exit = children.run(signals).await?;
        receiver.stop().await;
        page.stop().await;
        Ok::<_, ConsoleError>(exit)
    });
    // A search that still runs ends with the process.
    runtime.shutdown_background();
    Ok(exit?.map_or(0, status))
}

/// Runs a part of the console that is a process of its own, if the first argument names one.
///
/// The console starts itself in this way, for each child and for the end of their groups.
/// Returns `None` for all other arguments.
#[must_use]
pub fn helper(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let first = arguments.next()?;
    if first == children::exec::NAME {
        Some(children::exec::run(arguments))
    } else if first == children::survivors::NAME {
        Some(children::survivors::run())
    } else {
        None
    }
}

fn runtime() -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(WORKERS).enable_all().build()
}

/// Returns the addresses, for the terminal.
fn announcement(page: &Page, receiver: &Receiver) -> [String; 3] {
    [
        format!("the console is at {}", page.url()),
        format!(
            "its token for scripts is in {}",
            page.token_file().display()
        ),
        format!("it receives OTLP over HTTP at {}", receiver.url()),
    ]
}

/// Opens the page in a browser. Without a desktop, the printed address remains.
fn open(page: &Page) {
    if let Err(error) = page.open() {
        let text = format!("plimsoll: cannot open a browser: {error}\n");
        // As in `announce`.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// Returns the signals that end the console, from Ctrl-C, a supervisor or a closed terminal.
fn signals() -> io::Result<mpsc::Receiver<()>> {
    let (sender, receiver) = mpsc::channel(8);
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let signals = signal(kind)?;
        tokio::spawn(forward(signals, sender.clone()));
    }
    Ok(receiver)
}

async fn forward(mut signals: Signal, sender: mpsc::Sender<()>) {
    while signals.recv().await.is_some() {
        if sender.send(()).await.is_err() {
            break;
        }
    }
}

/// Returns the exit status of a shell for an exit.
fn status(exit: Exit) -> u8 {
    let status = match exit {
        Exit::Status(status) => status,
        Exit::Signal(signal) => SIGNAL_STATUS + signal,
        Exit::Unknown => 1,
    };
    u8::try_from(status).unwrap_or(1)
}
