//! Threads, memory and open files of the process, from `/proc`. On other systems they are `null`.

use serde_json::Value;

/// The parts of the view. A part that cannot be read is `null`.
#[derive(Debug, Default)]
pub(super) struct ProcessView {
    pub(super) threads: Value,
    pub(super) memory: Value,
    pub(super) files: Value,
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read(_: &crate::Config) -> ProcessView {
    ProcessView::default()
}

#[cfg(target_os = "linux")]
pub(super) use self::linux::read;

#[cfg(target_os = "linux")]
mod linux {
    use procfs::{
        WithCurrentSystemInfo as _,
        process::{LimitValue, Process, Stat},
    };
    use serde_json::{Value, json};

    use super::ProcessView;
    use crate::config::{BodyMemory, Config};

    /// The most threads in the view. The oldest are read, to which the workers belong.
    const MAX_THREADS: usize = 256;

    pub(in super::super) fn read(config: &Config) -> ProcessView {
        let Ok(process) = Process::myself() else {
            return ProcessView::default();
        };
        let stat = process.stat().ok();
        ProcessView {
            threads: stat
                .as_ref()
                .and_then(|stat| threads(&process, stat.num_threads))
                .unwrap_or_default(),
            memory: stat
                .map(|stat| memory(&stat, BodyMemory::of(config).limit))
                .unwrap_or_default(),
            files: files(&process).unwrap_or_default(),
        }
    }

    fn threads(process: &Process, total: i64) -> Option<Value> {
        let tasks = process.tasks().ok()?.take(MAX_THREADS);
        // A thread that ends meanwhile is left out.
        let mut threads: Vec<_> = tasks.filter_map(|task| task.ok()?.stat().ok()).collect();
        threads.sort_by_key(|stat| std::cmp::Reverse(stat.utime + stat.stime));
        let total = usize::try_from(total).unwrap_or(0).max(threads.len());
        let items: Vec<_> = threads.iter().map(thread).collect();
        Some(json!({"total": total, "truncated": items.len() < total, "items": items}))
    }

    fn thread(stat: &Stat) -> Value {
        let ticks = stat.utime + stat.stime;
        json!({
            "id": stat.pid,
            "name": stat.comm,
            "state": state(stat.state),
            "cpuMs": ticks.saturating_mul(1000) / procfs::ticks_per_second().max(1),
        })
    }

    /// Returns the word for a state of proc_pid_stat(5).
    fn state(code: char) -> &'static str {
        match code {
            'R' => "running",
            'S' | 'I' => "sleeping",
            'D' => "uninterruptible",
            'T' => "stopped",
            't' => "traced",
            'Z' | 'X' => "ended",
            _ => "unknown",
        }
    }

    fn memory(stat: &Stat, limit: Option<u64>) -> Value {
        json!({
            "residentBytes": stat.rss_bytes().get(),
            "virtualBytes": stat.vsize,
            "limitBytes": limit,
        })
    }

    fn files(process: &Process) -> Option<Value> {
        let limits = process.limits().ok()?.max_open_files;
        let limit = |limit| match limit {
            LimitValue::Value(limit) => Some(limit),
            LimitValue::Unlimited => None,
        };
        Some(json!({
            "open": process.fd_count().ok()?,
            "softLimit": limit(limits.soft_limit),
            "hardLimit": limit(limits.hard_limit),
        }))
    }
}
