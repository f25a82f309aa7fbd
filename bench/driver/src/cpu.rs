//! CPU time and memory of a server, and what else the cores did meanwhile.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

use crate::Failure;

/// Of `/proc`: `sysconf(_SC_CLK_TCK)`, which is 100 on every Linux that Rust's std runs on.
const TICKS_PER_SECOND: u64 = 100;

/// Pins the calling thread, and all threads and processes that it starts.
pub fn pin_this_thread(core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(|it| format!("core {core}: {it}"))?;
    Ok(())
}

/// User and system time of all threads of a process, those that have ended too, in nanoseconds.
pub fn of_process(pid: Pid) -> Result<Duration, Failure> {
    let clock = ClockId::pid_cpu_clock_id(pid)?;
    Ok(clock_gettime(clock)?.into())
}

/// The same from a coarser source, which `ps` and `time` use.
pub fn of_process_in_ticks(pid: Pid) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may contain anything, but is the last thing in brackets.
    let (_, fields) = stat
        .rsplit_once(')')
        .ok_or("/proc/PID/stat without a name")?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let (Some(Ok(user)), Some(Ok(system))) = (fields.next(), fields.next()) else {
        return Err("/proc/PID/stat without times".into());
    };
    Ok(Duration::from_millis(
        (user + system) * 1000 / TICKS_PER_SECOND,
    ))
}

/// Resident memory, in KiB. The kernel counts it here; `VmRSS` in `status` is an estimate.
pub fn resident(pid: Pid) -> Result<u64, Failure> {
    let pages = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = pages.lines().find_map(|it| it.strip_prefix("Rss:"));
    let kib = line.and_then(|it| it.trim().strip_suffix(" kB"));
    Ok(kib
        .ok_or("/proc/PID/smaps_rollup without Rss")?
        .trim()
        .parse()?)
}

/// How many files and connections a process has open.
pub fn open_files(pid: Pid) -> Result<usize, Failure> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// What a core has done since it started.
#[derive(Clone, Copy, Debug)]
pub struct Core {
    pub at: Instant,
    pub busy: Duration,
    /// What the hypervisor gave to others.
    pub stolen: Duration,
}

pub fn of_core(core: usize) -> Result<Core, Failure> {
    let stat = fs::read_to_string("/proc/stat")?;
    let name = format!("cpu{core} ");
    let line = stat.lines().find_map(|it| it.strip_prefix(&name));
    let ticks: Result<Vec<u64>, _> = line
        .ok_or("no such core in /proc/stat")?
        .split_whitespace()
        .map(str::parse)
        .collect();
    let ticks = ticks?;
    let of = |fields: &[usize]| {
        let sum: u64 = fields.iter().filter_map(|&it| ticks.get(it)).sum();
        Duration::from_millis(sum * 1000 / TICKS_PER_SECOND)
    };
    // user, nice, system, (idle, iowait,) irq, softirq, steal
    Ok(Core {
        at: Instant::now(),
        busy: of(&[0, 1, 2, 5, 6]),
        stolen: of(&[7]),
    })
}
