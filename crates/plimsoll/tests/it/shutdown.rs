//! Shutdown: signals, drain, hooks, report, restarts and connections without an end.

mod drain;
mod hooks;
mod idle_connections;
mod in_flight;
mod losses;
mod process;
mod report;
mod service_manager;
mod signals;
mod socket_activation;
mod websockets;

use std::time::Duration;

use harness::{Connection, ExitedProcess, Process, request};
use serde_json::Value;

use crate::in_flight::{requests_in_flight, wait_for_in_flight};

/// Hooks and the flush of telemetry share this much.
const FLUSH: Duration = Duration::from_secs(3);

/// Tolerance of time limits for a busy machine.
const MARGIN: Duration = Duration::from_millis(1500);

/// Returns the last record of a service that has ended.
#[track_caller]
fn report(ended: &ExitedProcess) -> Value {
    let records = ended.records();
    let last = records
        .last()
        .expect("a service that has ended has said so")
        .clone();
    assert_eq!(last["message"], "shutdown_complete", "{last}");
    last
}

/// Opens a connection with a request that is being handled.
#[track_caller]
pub(crate) fn in_flight(service: &Process, path: &str) -> Connection {
    let before = requests_in_flight(service);
    let mut connection = service.connect();
    connection.send(request("GET", path, ""));
    wait_for_in_flight(service, before + 1.0);
    connection
}
