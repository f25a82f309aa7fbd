//! Services that run as child processes, and sources of lines that the console only reads.
//!
//! * `supervisor` starts and stops processes, `spawn` and `exec` make one, `group` signals it.
//!   `environment` has the variables that the console sets.
//! * `reader` reads its output into the store, `echo` shows it on the terminal.
//! * `service` is what the page shows: state, runs, exit statuses; `state` reads it from records.
//!   If there are none, `listening` finds the address.
//!
//! No process of a service's group outlives the console: the end of the console stops them all.
//! If it is killed, the kernel kills its children, and `survivors` what these have started.

mod echo;
mod environment;
pub(crate) mod exec;
mod follow;
mod group;
mod listening;
pub(crate) mod name;
mod reader;
mod service;
mod spawn;
mod state;
mod supervisor;
pub(crate) mod survivors;

use std::{ffi::OsString, io, sync::Arc, time::Duration};

use tokio::{
    runtime,
    sync::{
        mpsc::{self, Receiver, Sender},
        oneshot,
    },
};

use self::{
    echo::{Echo, EchoEnd, Form},
    reader::Sink,
    service::{Identity, Kind},
    supervisor::{Child, Rules, Supervisor},
};
pub(crate) use self::{
    environment::Exporter,
    follow::Source,
    service::{Changes, Service, ServiceView},
    spawn::shell,
};
use crate::{
    ingest::scrape::Charts,
    store::{Exit, Store},
};

/// Controls that wait for the supervisor.
const REQUESTS: usize = 16;

/// A service to start.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) name: String,
    pub(crate) command: Vec<OsString>,
    /// The command as the user has written it.
    pub(crate) text: String,
}

/// A service whose lines are read.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) name: String,
    pub(crate) source: Source,
}

/// How children are handled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handling {
    pub(crate) grace: Duration,
    pub(crate) exit_with_child: bool,
    pub(crate) is_quiet: bool,
}

/// A control of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    Start,
    Stop,
    Restart,
}

/// A control that is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no child of the console has this name")]
    Unknown,
    #[error("the service runs")]
    Running,
    #[error("the service does not run")]
    NotRunning,
    #[error("the service is being stopped")]
    Ending,
    #[error("the console ends")]
    Closing,
}

#[derive(Debug)]
struct Request {
    service: String,
    control: Control,
    reply: oneshot::Sender<Result<u64, Refusal>>,
}

/// The services, for the page. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    all: Arc<[Arc<Service>]>,
    changes: Changes,
    requests: Sender<Request>,
}

/// The children before their start.
#[derive(Debug)]
pub(crate) struct Children {
    supervisor: Supervisor,
    attached: Vec<(Arc<Service>, Source)>,
    echo: EchoEnd,
}

impl Services {
    /// Returns the services in the order of the command line.
    pub(crate) fn all(&self) -> &[Arc<Service>] {
        &self.all
    }

    /// Returns the number of changes of all services so far.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.count()
    }

    /// Starts or stops a child. Returns the number of the change.
    pub(crate) async fn control(&self, name: &str, control: Control) -> Result<u64, Refusal> {
        let (reply, result) = oneshot::channel();
        let request = Request {
            service: name.to_owned(),
            control,
            reply,
        };
        let sent = self.requests.send(request).await;
        sent.map_err(|_| Refusal::Closing)?;
        result.await.map_err(|_| Refusal::Closing)?
    }
}

impl Children {
    /// Prepares the children and the sources of other lines, without starting any.
    ///
    /// It must be called within a runtime.
    pub(crate) fn new(
        launches: Vec<Launch>,
        attachments: Vec<Attachment>,
        handling: Handling,
        exporter: Exporter,
        store: &Arc<Store>,
        charts: &Charts,
    ) -> io::Result<(Self, Services)> {
        let changes = Changes::default();
        let started = launches.iter().map(|launch| &launch.name);
        let attached = attachments.iter().map(|attachment| &attachment.name);
        let width = started.chain(attached).map(String::len).max();
        let names = width.filter(|_| launches.len() + attachments.len() > 1);
        let form = Form {
            names,
            is_quiet: handling.is_quiet,
        };
        let (echo, echo_end) = Echo::start(Arc::clone(store), form)?;
        let children = launches.into_iter().map(|launch| {
            let identity = Identity {
                id: store.service(&launch.name),
                name: launch.name.into(),
                kind: Kind::Child,
                command: Some(launch.text),
                variables: exporter.variables(),
            };
            Child {
                service: Arc::new(Service::new(identity, changes.clone())),
                command: launch.command,
                group: None,
                deadline: None,
                is_stopped: false,
                is_restarting: false,
            }
        });
        let children: Vec<Child> = children.collect();
        let attached = attachments.into_iter().map(|attachment| {
            let identity = Identity {
                id: store.service(&attachment.name),
                name: attachment.name.into(),
                kind: Kind::Attached,
                command: None,
                variables: Vec::new(),
            };
            let service = Arc::new(Service::new(identity, changes.clone()));
            (service, attachment.source)
        });
        let attached: Vec<_> = attached.collect();
        let (sender, requests) = mpsc::channel(REQUESTS);
        let all = children.iter().map(|child| &child.service);
        let all = all.chain(attached.iter().map(|(service, _)| service));
        let services = Services {
            all: all.cloned().collect(),
            changes,
            requests: sender,
        };
        let sink = Sink {
            store: Arc::clone(store),
            echo,
            charts: charts.clone(),
            runtime: runtime::Handle::current(),
        };
        let rules = Rules {
            grace: handling.grace,
            exit_with_child: handling.exit_with_child,
        };
        let supervisor = Supervisor::new(children, rules, exporter, sink, requests);
        let children = Self {
            supervisor,
            attached,
            echo: echo_end,
        };
        Ok((children, services))
    }

    /// Writes lines to the terminal, without waiting for it.
    pub(crate) fn announce(&self, lines: &[String]) {
        let echo = &self.supervisor.sink().echo;
        lines.iter().for_each(|line| echo.note(line));
    }

    /// Starts the children, and returns when all have ended after a signal.
    ///
    /// It must be polled on the main thread. Returns the exit of the child that has ended the console.
    ///
    /// # Errors
    ///
    /// If there is no thread for the lines of a service that runs already.
    pub(crate) async fn run(self, signals: Receiver<()>) -> io::Result<Option<Exit>> {
        for (service, source) in self.attached {
            source.start(&service, self.supervisor.sink())?;
        }
        let exit = self.supervisor.run(signals).await;
        self.echo.wait();
        Ok(exit)
    }
}
