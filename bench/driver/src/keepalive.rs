//! `GET /` over 64 kept-alive connections: what one request costs.

use std::time::{Duration, Instant};

use crate::{
    Failure, cpu,
    load::{Load, Seen},
    machine::{self, Machine},
    options::Options,
    peer::{CHASSIS, Peer},
    plot::{self, Bar},
    results,
    server::Server,
    stats::Spread,
    table,
};

const CONNECTIONS: u32 = 64;

/// One turn of one peer.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub seen: Seen,
    /// Of the server, user and system, for each request.
    pub cpu_per_request: Duration,
    /// How many cores the server has used, of the one that it had.
    pub cores: f64,
    /// KiB at the end of the load.
    pub resident: u64,
    /// Access records that should have been written and were not.
    pub lost: u64,
    /// The part of the server's core that others took: processes, and the hypervisor.
    pub others: f64,
}

/// All turns of a peer, one for each round.
#[derive(Debug)]
pub struct Measured {
    pub peer: &'static Peer,
    pub turns: Vec<Turn>,
}

pub fn run(options: &Options, peers: &[&'static Peer]) -> Result<(), Failure> {
    let machine = Machine::describe();
    let load = Load {
        core: options.load_core,
        connections: CONNECTIONS,
        script: "report.lua",
        path: "/",
    };
    let mut all: Vec<_> = peers
        .iter()
        .map(|&peer| Measured {
            peer,
            turns: Vec::new(),
        })
        .collect();
    for round in 1..=options.rounds {
        for measured in &mut all {
            let name = measured.peer.name;
            let turn = turn(options, measured.peer, &load);
            let turn = turn.map_err(|it| format!("{name}, round {round}: {it}"))?;
            eprintln!(
                "round {round} {name:24} {:7.2} µs CPU  {:7.0} req/s  {:4.2} cores{}",
                turn.cpu_per_request.as_nanos() as f64 / 1e3,
                turn.seen.requests_per_second(),
                turn.cores,
                others(&turn),
            );
            measured.turns.push(turn);
        }
    }
    let markdown = table::markdown(options, &machine, &all);
    results::keep(
        options,
        "keepalive",
        &markdown,
        Some(&picture(&machine, &all)),
    )
}

fn picture(machine: &Machine, all: &[Measured]) -> String {
    let bar = |it: &Measured| {
        let value = Spread::of(it.turns.iter().map(table::micros))?;
        let against = table::ratio(all, it, "bare");
        let against = against.map_or_else(String::new, |it| format!("  ({:.2} × bare)", it.median));
        Some(Bar {
            label: it.peer.name.to_owned(),
            value,
            figure: format!("{:.1} µs{against}", value.median),
            ours: it.peer.package == CHASSIS,
        })
    };
    let bars: Vec<_> = all.iter().filter_map(bar).collect();
    let note = format!(
        "GET / over 64 kept-alive connections, median, least and greatest; {}, {}",
        machine.cpu,
        machine::date()
    );
    plot::svg("CPU of the server for each request", &note, &bars)
}

fn others(turn: &Turn) -> String {
    if turn.others < 0.02 {
        return String::new();
    }
    format!("  (others took {:.0} % of the core)", turn.others * 100.0)
}

fn turn(options: &Options, peer: &'static Peer, load: &Load) -> Result<Turn, Failure> {
    let server = Server::start(peer, options.server_core)?;
    load.run(server.addr, options.seconds.div_ceil(4))?;
    server.settle()?;

    let books_before = Books::of(&server)?;
    let core_before = cpu::of_core(options.server_core)?;
    let (cpu_before, began) = (server.cpu()?, Instant::now());
    let seen = load.run(server.addr, options.seconds)?;
    let resident = cpu::resident(server.pid())?;
    // What is still to be written belongs to the requests.
    server.settle()?;
    let took = began.elapsed();
    let cpu = server.cpu()? - cpu_before;
    let core = cpu::of_core(options.server_core)?;
    let lost = Books::of(&server)?.lost_since(&books_before, &seen, load)?;
    server.stop()?;

    let busy = (core.busy - core_before.busy).as_secs_f64();
    let stolen = (core.stolen - core_before.stolen).as_secs_f64();
    let cores = cpu.as_secs_f64() * 1e6 / seen.micros as f64;
    if cores > 1.02 {
        return Err(format!("{cores:.2} cores of CPU time on one core").into());
    }
    Ok(Turn {
        seen,
        cpu_per_request: cpu.div_f64(seen.requests as f64),
        cores,
        resident,
        lost,
        others: ((busy - cpu.as_secs_f64()).max(0.0) + stolen) / took.as_secs_f64(),
    })
}

/// What a server has counted and written so far.
struct Books {
    /// Answers, if it counts them.
    counted: Option<u64>,
    /// Access records, if it writes them.
    written: Option<u64>,
    other_lines: u64,
}

impl Books {
    fn of(server: &Server) -> Result<Self, Failure> {
        Ok(Self {
            counted: server
                .peer
                .counter
                .map(|it| server.counted(it))
                .transpose()?,
            written: server.peer.record.map(|_| server.records.access()),
            other_lines: server.records.other(),
        })
    }

    /// How many records are missing. The server's count must be that of the load generator.
    fn lost_since(&self, before: &Self, seen: &Seen, load: &Load) -> Result<u64, Failure> {
        // wrk leaves with an unanswered request on each connection.
        let may_be = seen.requests..=seen.requests + u64::from(load.connections);
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
