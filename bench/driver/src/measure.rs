//! One turn: a fresh process, a warm-up, the load, and the books before and after.

use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::{
    Failure, client, contest::Contestant, cpu, load::Seen, options::Options, server::Server,
};

#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub seen: Seen,
    /// Of the server, user and system, for each request.
    pub cpu_per_request: Duration,
    /// How many cores the server has used for each second of the load, of the one that it had.
    pub cores: f64,
    /// KiB at the end of the load.
    pub resident: u64,
    /// Access records that should have been written and were not.
    pub lost: u64,
    /// The part of the server's core that others took: processes, and the hypervisor.
    pub others: f64,
}

impl Turn {
    /// CPU of the server for each request, in microseconds.
    pub fn micros(&self) -> f64 {
        self.cpu_per_request.as_nanos() as f64 / 1e3
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let speed = self.seen.requests_per_second();
        write!(
            out,
            "{:8.2} µs CPU  {speed:7.0} req/s  {:.2} cores",
            self.micros(),
            self.cores
        )?;
        if self.others >= 0.02 {
            write!(
                out,
                "  (others took {:.0} % of the core)",
                self.others * 100.0
            )?;
        }
        Ok(())
    }
}

pub fn turn(options: &Options, contestant: &Contestant) -> Result<Turn, Failure> {
    let load = &contestant.load;
    let server = Server::spawn(
        contestant.peer,
        options.server_core,
        &contestant.environment,
    )?;
    if load.is_plain() {
        server.check(&load.path)?;
    } else {
        server.until_connected()?;
    }
    let idle = client::idle(
        server.addr,
        contestant.idle,
        Duration::ZERO,
        client::answered_once,
    )?;
    load.warm_up(server.addr, options.load_core, options.seconds.div_ceil(4))?;
    server.settle()?;

    let books_before = Books::of(&server, contestant)?;
    let core_before = cpu::of_core(options.server_core)?;
    let (cpu_before, began) = (server.cpu()?, Instant::now());
    let seen = load.run(server.addr, options.load_core, options.seconds)?;
    let resident = cpu::resident(server.pid())?;
    // What is still to be written belongs to the requests.
    server.settle()?;
    let took = began.elapsed();
    let cpu = server.cpu()? - cpu_before;
    let core = cpu::of_core(options.server_core)?;
    let lost = Books::of(&server, contestant)?.lost_since(&books_before, &seen, contestant)?;
    drop(idle);
    server.stop()?;

    let busy = (core.busy - core_before.busy).as_secs_f64();
    let stolen = (core.stolen - core_before.stolen).as_secs_f64();
    let window = (core.at - core_before.at).as_secs_f64();
    // Against the whole time: records may be written for a while after the load.
    let of_one_core = cpu.as_secs_f64() / took.as_secs_f64();
    if of_one_core > 1.02 {
        return Err(format!("{of_one_core:.2} cores of CPU time on one core").into());
    }
    Ok(Turn {
        seen,
        cpu_per_request: cpu.div_f64(seen.requests as f64),
        cores: cpu.as_secs_f64() * 1e6 / seen.micros as f64,
        resident,
        lost,
        others: ((busy - cpu.as_secs_f64()).max(0.0) + stolen) / window,
    })
}

/// What a server has counted and written so far.
struct Books {
    /// Answers, if it counts them and can be asked.
    counted: Option<u64>,
    /// Access records, if it writes them.
    written: Option<u64>,
    other_lines: u64,
}

impl Books {
    fn of(server: &Server, contestant: &Contestant) -> Result<Self, Failure> {
        let peer = server.peer;
        let counter = peer.counter.filter(|_| contestant.load.is_plain());
        let silent = contestant.environment.iter().any(|it| it.0 == "LOG_LEVEL");
        Ok(Self {
            counted: counter.map(|it| server.counted(it)).transpose()?,
            written: peer
                .record
                .filter(|_| !silent)
                .map(|_| server.records.access()),
            other_lines: server.records.other(),
        })
    }

    /// How many records are missing. The server's count must be that of the load generator.
    fn lost_since(
        &self,
        before: &Self,
        seen: &Seen,
        contestant: &Contestant,
    ) -> Result<u64, Failure> {
        // The load generator leaves with some requests unanswered, and does not count them.
        let may_be = seen.requests..=seen.requests + contestant.load.unanswered();
        let since = |now: Option<u64>, before: Option<u64>| Some(now? - before?);
        let counted = since(self.counted, before.counted);
        if let Some(counted) = counted.filter(|it| !may_be.contains(it)) {
            return Err(format!("{counted} of {} requests are counted", seen.requests).into());
        }
        let Some(written) = since(self.written, before.written) else {
            return Ok(0);
        };
        if written > counted.unwrap_or(*may_be.end()) {
            return Err(format!("{written} records of {counted:?} requests").into());
        }
        let lost = counted.unwrap_or(*may_be.start()).saturating_sub(written);
        let other = self.other_lines - before.other_lines;
        if lost == 0 && other > 2 {
            return Err(format!("{other} lines during the load are no access records").into());
        }
        Ok(lost)
    }
}
