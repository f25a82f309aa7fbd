//! A listener of the console: a service on the chassis in this process, on the first free port.
//!
//! Its settings are values in code, so no variable of the shell changes them.
//! Its probes and metrics are on a unix socket, since the chassis answers these before the router and its
//! guard.
//! Its log is the service `console` of the store, with records of WARNING and above.

use std::{error::Error as _, io, net::SocketAddr, path::Path, sync::Arc};

use axum::{Router, middleware};
use plimsoll::{
    App, Handle, SetupError, ShutdownReport, StartError, build_info, config::Environment,
    telemetry::Output,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use super::{
    PageError,
    guard::{self, Guard},
    log::Log,
};
use crate::{children::name, store::Store};

/// Ports that are tried after a taken one.
const NEXT_PORTS: u16 = 20;

/// A service that accepts connections.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<ShutdownReport, StartError>>,
}

impl Listener {
    /// Starts a service at `first`, or at the next free port. Returns when it accepts connections.
    ///
    /// `parts` returns guard and router for an address. `socket` is for the probes.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub(super) async fn start<R>(
        first: SocketAddr,
        socket: &Path,
        store: &Arc<Store>,
        parts: impl Fn(SocketAddr) -> (Guard, R),
    ) -> Result<Self, PageError>
    where
        R: FnOnce(&Handle) -> Router + Send + 'static,
    {
        for attempt in 0..=NEXT_PORTS {
            let Some(address) = candidate(first, attempt).await? else {
                break;
            };
            let (guard, router) = parts(address);
            match Self::at(address, socket, store, guard, router).await {
                Err(PageError::Start(error)) if is_taken(&error) => {}
                result => return result,
            }
        }
        Err(PageError::NoPort(first))
    }

    async fn at(
        address: SocketAddr,
        socket: &Path,
        store: &Arc<Store>,
        guard: Guard,
        router: impl FnOnce(&Handle) -> Router + Send + 'static,
    ) -> Result<Self, PageError> {
        let (ready, is_ready) = oneshot::channel();
        let log = Log::new(Arc::clone(store), ready);
        let app = App::new(build_info!())
            .environment(settings(address, socket))
            .output(Output::to(log))
            .layer(middleware::from_fn_with_state(guard, guard::host))
            .setup(|handle| async move { Ok::<_, SetupError>(router(&handle)) })
            .prepare()?;
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // The service ends with its owner, too.
            let _ = stopped.await;
        };
        let mut task = tokio::spawn(app.serve(stopped));
        tokio::select! {
            Ok(()) = is_ready => Ok(Self { address, stop, task }),
            ended = &mut task => match ended {
                Ok(Err(error)) => Err(error.into()),
                _ => Err(PageError::Ended),
            },
        }
    }

    /// Ends the streams and closes the listener.
    pub(super) async fn stop(self) {
        // If the task has ended, there is nothing to stop.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// Returns the settings of a service.
fn settings(address: SocketAddr, socket: &Path) -> Environment {
    let pairs = [
        ("SERVICE_NAME", name::CONSOLE.to_owned()),
        ("HOST", address.ip().to_string()),
        ("PORT", address.port().to_string()),
        ("ADMIN_ADDR", format!("unix:{}", socket.display())),
        ("INFRA_ENDPOINTS", "admin".to_owned()),
        ("LOG_LEVEL", "WARNING".to_owned()),
        ("LOG_FORMAT", "json".to_owned()),
        ("MAX_CONNECTIONS", "256".to_owned()),
        ("SHUTDOWN_TIMEOUT", "1s".to_owned()),
        ("DRAIN_DELAY", "0s".to_owned()),
    ];
    Environment::from_pairs(pairs)
}

/// Returns the address of an attempt; `None` if there is none.
async fn candidate(first: SocketAddr, attempt: u16) -> Result<Option<SocketAddr>, PageError> {
    if first.port() == 0 {
        // The port is free now; if another process takes it, the next attempt finds another.
        let listener = TcpListener::bind(first).await;
        let address = listener.and_then(|listener| listener.local_addr());
        return address.map(Some).map_err(PageError::AnyPort);
    }
    let port = first.port().checked_add(attempt);
    Ok(port.map(|port| SocketAddr::new(first.ip(), port)))
}

/// Whether another process has the address.
fn is_taken(error: &StartError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == io::ErrorKind::AddrInUse;
        }
        cause = error.source();
    }
    false
}
