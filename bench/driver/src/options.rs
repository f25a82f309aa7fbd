//! What is asked for on the command line.

use std::{str::FromStr, thread};

use crate::{
    Failure,
    peer::{self, Peer},
};

pub const USAGE: &str = "\
bench/run [MODE] [--quick] [--rounds N] [--seconds N] [--peers NAME,NAME...]
          [--server-core N] [--load-core N]

modes:
  keepalive   GET / over 64 kept-alive connections: the budget (default)
  build       only builds all peers

--quick is 3 rounds of 2 s with the peers that matter, and writes no files.";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Build,
    Keepalive,
}

impl FromStr for Mode {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        match name {
            "build" => Ok(Self::Build),
            "keepalive" => Ok(Self::Keepalive),
            _ => Err(format!("there is no mode {name:?}\n\n{USAGE}").into()),
        }
    }
}

#[derive(Debug)]
pub struct Options {
    pub mode: Mode,
    pub quick: bool,
    pub rounds: usize,
    /// How long a measurement takes; a warm-up of a quarter of it comes before.
    pub seconds: u64,
    pub server_core: usize,
    pub load_core: usize,
    named: Vec<String>,
}

impl Options {
    pub fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut mode = None;
        let mut quick = false;
        let (mut rounds, mut seconds) = (None, None);
        let cores = thread::available_parallelism()?.get();
        let (mut server_core, mut load_core) = (cores - 1, 0);
        let mut named = Vec::new();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| Failure::from(format!("{argument} needs a value\n\n{USAGE}")))
            };
            match argument.as_str() {
                "--help" | "-h" => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                "--quick" => quick = true,
                "--rounds" => rounds = Some(value()?.parse()?),
                "--seconds" => seconds = Some(value()?.parse()?),
                "--server-core" => server_core = value()?.parse()?,
                "--load-core" => load_core = value()?.parse()?,
                "--peers" => named = value()?.split(',').map(str::to_owned).collect(),
                name if mode.is_none() => mode = Some(name.parse()?),
                _ => return Err(format!("one mode, not also {argument:?}\n\n{USAGE}").into()),
            }
        }
        if server_core == load_core {
            return Err("server and load generator need a core each".into());
        }
        Ok(Self {
            mode: mode.unwrap_or(Mode::Keepalive),
            quick,
            rounds: rounds.unwrap_or(if quick { 3 } else { 7 }).max(1),
            seconds: seconds.unwrap_or(if quick { 2 } else { 4 }).max(1),
            server_core,
            load_core,
            named,
        })
    }

    /// Those named, else those that are meant for the mode.
    pub fn peers(&self) -> Result<Vec<&'static Peer>, Failure> {
        if !self.named.is_empty() {
            let find = |name: &String| {
                let peer = peer::ALL.iter().find(|it| it.name == name);
                peer.ok_or_else(|| {
                    let names: Vec<_> = peer::ALL.iter().map(|it| it.name).collect();
                    format!("there is no peer {name:?} among {}", names.join(", ")).into()
                })
            };
            return self.named.iter().map(find).collect();
        }
        let all = self.mode == Mode::Build || !self.quick;
        Ok(peer::ALL.iter().filter(|it| all || it.quick).collect())
    }
}
