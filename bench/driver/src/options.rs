//! What is asked for on the command line.

use std::thread;

use crate::{
    Failure,
    modes::Mode,
    peer::{self, Peer},
};

pub const USAGE: &str = "\
bench/run [MODE] [--quick] [--rounds N] [--seconds N] [--peers NAME,NAME...]
          [--before PROGRAM] [--server-core N] [--load-core N]

modes:
  keepalive  GET / over 64 kept-alive connections: the budget (default)
  concerns   what each part of the chassis costs
  churn      a new connection for each request
  pipeline   16 requests at a time on each connection
  tls        the same as keepalive and churn, over TLS
  http2      16 connections of 10 streams each, without TLS
  scale      1 and 10,000 routes and series, 10,000 idle connections beside
  idle       memory and CPU with 10,000 idle connections
  scrape     how long a scrape takes, and what it does to the traffic
  delay      from the end of a request to its record at the reader of the log
  spread     20 handlers over one connection of HTTP/2, each of which blocks for 100 ms
  startup    from the start of the process to its first answer
  size       of the programs
  all        all of these, one after the other
  profile    where the reference service's CPU goes, seen by perf
  build      only builds; a mode after it says for what

--quick is 3 rounds of 2 s, of keepalive only with the peers that matter, and writes no files.
--before is another build of the reference service, to be compared with the present one.";

#[derive(Debug)]
pub struct Options {
    /// In the order in which they run.
    pub modes: Vec<Mode>,
    pub only_build: bool,
    pub quick: bool,
    pub rounds: usize,
    /// How long a measurement takes; a warm-up of a quarter of it comes before.
    pub seconds: u64,
    pub server_core: usize,
    pub load_core: usize,
    /// Those to be measured; empty for all that the mode has.
    pub named: Vec<String>,
    /// Another build of the reference service.
    pub before: Option<&'static Peer>,
}

impl Options {
    /// `None`: help is asked for.
    pub fn from_arguments(
        mut arguments: impl Iterator<Item = String>,
    ) -> Result<Option<Self>, Failure> {
        let mut modes = None;
        let mut quick = false;
        let (mut rounds, mut seconds) = (None, None);
        let cores = thread::available_parallelism()?.get();
        let (mut server_core, mut load_core) = (cores - 1, 0);
        let (mut named, mut before, mut only_build) = (Vec::new(), None, false);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| Failure::from(format!("{argument} needs a value\n\n{USAGE}")))
            };
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--quick" => quick = true,
                "--rounds" => rounds = Some(value()?.parse()?),
                "--seconds" => seconds = Some(value()?.parse()?),
                "--server-core" => server_core = value()?.parse()?,
                "--load-core" => load_core = value()?.parse()?,
                "--peers" => named = value()?.split(',').map(str::to_owned).collect(),
                "--before" => before = Some(peer::before(&value()?)?),
                "build" => only_build = true,
                name if modes.is_none() => modes = Some(modes_named(name)?),
                _ => return Err(format!("one mode, not also {argument:?}\n\n{USAGE}").into()),
            }
        }
        if server_core == load_core {
            return Err("server and load generator need a core each".into());
        }
        let default = if only_build { "all" } else { "keepalive" };
        Ok(Some(Self {
            modes: modes.map_or_else(|| modes_named(default), Ok)?,
            only_build,
            quick,
            rounds: rounds.unwrap_or(if quick { 3 } else { 7 }).max(1),
            seconds: seconds.unwrap_or(if quick { 2 } else { 4 }).max(1),
            server_core,
            load_core,
            named,
            before,
        }))
    }
}

fn modes_named(name: &str) -> Result<Vec<Mode>, Failure> {
    if name == "all" {
        // A profile is not a figure, and needs a program more.
        return Ok(Mode::ALL
            .into_iter()
            .filter(|&it| it != Mode::Profile)
            .collect());
    }
    let mode = Mode::ALL.iter().find(|it| it.name() == name);
    let mode = mode.ok_or_else(|| format!("there is no mode {name:?}\n\n{USAGE}"))?;
    Ok(vec![*mode])
}
