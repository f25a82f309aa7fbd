//! `/admin/runtime`: workers, threads, memory, control group and open files (contract ADM-16).
//!
//! It stands in for a profiler: busy workers and the CPU time of threads show where time is spent.

mod cgroup;
mod process;

use serde_json::{Value, json};

use super::{answer::millis, controls::Controls};

/// The most workers in the view.
const MAX_WORKERS: usize = 256;

pub(super) fn view(controls: &Controls) -> Value {
    let process = process::read(&controls.config);
    json!({
        "workers": workers(controls),
        "threads": process.threads,
        "memory": process.memory,
        "files": process.files,
        "controlGroup": cgroup::read(),
    })
}

/// Returns the workers. A service on the runtime of its program has none.
fn workers(controls: &Controls) -> Value {
    let workers = controls.registry.workers();
    let total = workers.len();
    let workers = workers.zip(controls.heartbeats.ages()).enumerate();
    let workers: Vec<_> = workers
        .take(MAX_WORKERS)
        .map(|(index, (worker, age))| {
            json!({
                "worker": index,
                "busyMs": millis(worker.busy),
                "heartbeatAgeMs": millis(age),
                "tasks": worker.tasks,
                "queueDepth": worker.queue_depth,
            })
        })
        .collect();
    json!({"total": total, "truncated": workers.len() < total, "items": workers})
}
