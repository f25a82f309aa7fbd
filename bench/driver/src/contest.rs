//! Contestants that take turns: A B C, A B C, and so on, each turn with a fresh process.

use crate::{
    Failure,
    load::Load,
    machine::Machine,
    measure::{self, Turn},
    options::Options,
    peer::Peer,
    plot::{self, Bar},
    results,
    stats::Spread,
    table,
};

#[derive(Clone, Debug)]
pub struct Contestant {
    /// Its peer's name, and what sets it apart from the same peer's other parts in the contest.
    pub name: String,
    pub suffix: String,
    /// What it does, for the table.
    pub does: String,
    pub peer: &'static Peer,
    /// Besides the peer's own.
    pub environment: Vec<(&'static str, String)>,
    pub load: Load,
    /// Connections that are open beside the load, and ask for nothing.
    pub idle: usize,
    /// Whether its bar stands out.
    pub ours: bool,
}

#[derive(Debug)]
pub struct Contest {
    /// Of the files.
    pub name: &'static str,
    pub title: &'static str,
    pub contestants: Vec<Contestant>,
    /// Names of those with which all are compared that have the same suffix.
    pub against: &'static [&'static str],
    /// What one costs more than another, in each round.
    pub prices: &'static [Price],
}

/// The price of a thing: what costs with it, less what costs without it.
#[derive(Debug)]
pub struct Price {
    pub of: &'static str,
    pub with: &'static str,
    pub without: &'static str,
    /// What is 100 %.
    pub whole: &'static str,
}

/// All turns of a contestant, one for each round.
#[derive(Debug)]
pub struct Measured {
    pub contestant: Contestant,
    pub turns: Vec<Turn>,
}

impl Measured {
    pub fn spread(&self, value: fn(&Turn) -> f64) -> Option<Spread> {
        Spread::of(self.turns.iter().map(value))
    }
}

impl Contest {
    pub fn run(mut self, options: &Options) -> Result<(), Failure> {
        self.contestants.retain(|it| it.peer.takes_part());
        if self.contestants.is_empty() {
            return Err(format!("{} has no peer left", self.name).into());
        }
        let machine = Machine::describe();
        let measured = self.measure(options)?;
        let markdown = table::markdown(&self, options, &machine, &measured);
        let svg = self.picture(&machine, &measured);
        results::keep(options, self.name, &markdown, Some(&svg))
    }

    fn measure(&self, options: &Options) -> Result<Vec<Measured>, Failure> {
        let new = |it: &Contestant| Measured {
            contestant: it.clone(),
            turns: Vec::new(),
        };
        let mut all: Vec<_> = self.contestants.iter().map(new).collect();
        for round in 1..=options.rounds {
            for measured in &mut all {
                let name = &measured.contestant.name;
                let turn = measure::turn(options, &measured.contestant);
                let turn = turn.map_err(|it| format!("{name}, round {round}: {it}"))?;
                eprintln!("{}: round {round}  {name:28} {turn}", self.name);
                measured.turns.push(turn);
            }
        }
        Ok(all)
    }

    fn picture(&self, machine: &Machine, all: &[Measured]) -> String {
        let base = self.against.first().copied();
        let bar = |it: &Measured| {
            let value = it.spread(Turn::micros)?;
            let ratio = base.and_then(|base| Some((base, table::ratio(all, it, base)?)));
            let ratio =
                ratio.map(|(base, it): (&str, Spread)| format!("  ({:.2} × {base})", it.median));
            Some(Bar {
                label: it.contestant.name.clone(),
                value,
                figure: format!("{:.1} µs{}", value.median, ratio.unwrap_or_default()),
                ours: it.contestant.ours,
            })
        };
        let bars: Vec<_> = all.iter().filter_map(bar).collect();
        let note = format!(
            "{}; median, least and greatest; {}, {}",
            self.title, machine.cpu, machine.date
        );
        plot::svg("CPU of the server for each request", &note, &bars)
    }
}
