//! From the start of the process to its first answer.

use std::fmt::Write as _;

use crate::{
    Failure, cpu,
    machine::Machine,
    options::Options,
    peer::{self, Peer},
    results,
    server::Server,
    stats::Spread,
    table::spread,
};

pub static PEERS: [&Peer; 5] = [
    &peer::BARE,
    &peer::RAW_HYPER,
    &peer::CHASSIS,
    &peer::USUAL_JSON_SUBSCRIBER,
    &peer::ACTIX,
];

pub fn run(options: &Options) -> Result<(), Failure> {
    let starts = if options.quick { 5 } else { 20 };
    let mut took: Vec<Vec<f64>> = vec![Vec::new(); PEERS.len()];
    let mut resident: Vec<Vec<f64>> = vec![Vec::new(); PEERS.len()];
    for _ in 0..starts {
        for (index, peer) in PEERS.iter().enumerate() {
            let (server, until_answer) = Server::start_timed(peer, options.server_core)?;
            took[index].push(until_answer.as_secs_f64() * 1e3);
            resident[index].push(cpu::resident(server.pid())? as f64 / 1024.0);
            server.stop()?;
        }
    }
    let mut text = Machine::describe().markdown("Start-up");
    let _ = write!(
        text,
        "\nFrom `exec` to the first answer to `GET /`, {starts} starts each in turn, files in the page cache.\n\n\
         | server | ms to the first answer | MB then |\n|---|---|---|\n"
    );
    for (index, peer) in PEERS.iter().enumerate() {
        let of = |values: &[f64]| spread(Spread::of(values.iter().copied()), 1);
        // Writing to a string does not fail, here and above.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} |",
            peer.name,
            of(&took[index]),
            of(&resident[index])
        );
    }
    results::keep(options, "startup", &text, None)
}
