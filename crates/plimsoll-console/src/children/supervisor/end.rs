//! Waits for the end of a child: its main process, the rest of its group, and its output.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::ExitStatus,
    time::{Duration, SystemTime},
};

use rustix::process::Signal;
use tokio::{
    process::Child,
    sync::mpsc::Receiver,
    time::{Instant, sleep, timeout},
};

use crate::{
    children::{group, service::Service},
    store::{Exit, Store},
};

/// The pause between two looks at a group whose main process has ended.
const POLL: Duration = Duration::from_millis(10);

/// The longest time for other processes of the group, after the main process.
const REST: Duration = Duration::from_secs(2);

/// The time for the rest of the output when no process of the group exists.
const OUTPUT: Duration = Duration::from_secs(2);

/// Waits until the child has ended and its lines are in the store.
pub(super) async fn wait(
    mut child: Child,
    pid: u32,
    service: &Service,
    store: &Store,
    mut closed: Receiver<()>,
    grace: Duration,
) -> Exit {
    let exit = child.wait().await.map_or(Exit::Unknown, exit);
    let ended = SystemTime::now();
    service.exited(ended, exit);
    end_group(pid, REST.min(grace)).await;
    // A process that has left the group can hold the pipe open, so the wait has a limit.
    let _ = timeout(OUTPUT, closed.recv()).await;
    store.end_run(service.id(), ended, exit);
    service.ended();
    exit
}

/// Ends the processes of the group that the main process has left behind.
async fn end_group(group: u32, limit: Duration) {
    let deadline = Instant::now() + limit;
    group::signal(group, Signal::TERM);
    while group::exists(group) && Instant::now() < deadline {
        sleep(POLL).await;
    }
    group::signal(group, Signal::KILL);
    let deadline = Instant::now() + limit;
    while group::exists(group) && Instant::now() < deadline {
        sleep(POLL).await;
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Status(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}
