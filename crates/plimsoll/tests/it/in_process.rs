//! A service inside the test's own process: its records while it runs, and its report.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::{Connection, LogBuffer};
use plimsoll::config::{Environment, Settings};
use plimsoll::telemetry::Output;
use plimsoll::{App, ShutdownReport, StartError};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::support::END;

/// A service that listens on a unix socket of its own.
pub(crate) struct Embedded {
    pub(crate) captured: LogBuffer,
    pub(crate) path: String,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) serving: JoinHandle<Result<ShutdownReport, StartError>>,
}

impl Embedded {
    /// Starts to serve on the current runtime.
    pub(crate) fn serve<S: Settings>(service: App<S>, settings: &[(&str, &str)]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("embedded-{}-{number}.sock", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let path = path.to_str().expect("the directory has a plain name");
        let host = format!("unix:{path}");
        let settings = settings.iter().copied().chain([("HOST", host.as_str())]);
        let captured = LogBuffer::default();
        let prepared = service
            .environment(Environment::from_pairs(settings))
            .output(Output::to(captured.clone()))
            .prepare()
            .expect("the settings are right");
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(prepared.serve(async {
            // If the test ends early, the service ends too.
            let _ = stopped.await;
        }));
        Self {
            captured,
            path: path.to_owned(),
            stop: Some(stop),
            serving,
        }
    }

    /// Returns all records so far.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.captured.records()
    }

    pub(crate) fn records_with(&self, message: &str) -> Vec<Value> {
        let mut records = self.records();
        records.retain(|record| record["message"] == message);
        records
    }

    /// Waits until there are `count` records with this message.
    pub(crate) async fn wait_for(&self, message: &str, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + END;
        loop {
            let found = self.records_with(message);
            if found.len() >= count {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "{count} of {message}: {:?}",
                self.records()
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn wait_until_ready(&self) {
        self.wait_for("infra_app_ready", 1).await;
    }

    /// Sends a GET and returns the status and the body of the response.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let (socket, path) = (self.path.clone(), path.to_owned());
        // The client blocks its thread, which may be that of the service.
        let answer = tokio::task::spawn_blocking(move || {
            let mut connection = Connection::unix(socket).expect("the service accepts");
            connection.get(&path)
        });
        let answer = answer.await.expect("the service answers");
        (answer.status, answer.text().to_owned())
    }

    /// Begins the shutdown.
    pub(crate) fn signal(&mut self) {
        drop(self.stop.take());
    }

    /// Begins the shutdown, unless it has begun.
    pub(crate) fn stop(mut self) -> Ending {
        self.signal();
        Ending {
            captured: self.captured,
            serving: self.serving,
        }
    }

    /// Waits for a start that fails.
    pub(crate) async fn fails(self) -> StartError {
        let ended = timeout(END, self.serving).await;
        let result = ended.expect("it ends").expect("it does not panic");
        result.expect_err("the start fails")
    }
}

/// A service that is shutting down.
pub(crate) struct Ending {
    pub(crate) captured: LogBuffer,
    pub(crate) serving: JoinHandle<Result<ShutdownReport, StartError>>,
}

impl Ending {
    /// Waits for the end and returns the report and all records.
    pub(crate) async fn report(self) -> (ShutdownReport, Vec<Value>) {
        let ended = timeout(END, self.serving).await;
        let result = ended.expect("it ends").expect("it does not panic");
        (result.expect("it has started"), self.captured.records())
    }
}
