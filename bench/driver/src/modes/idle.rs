//! What 10,000 connections cost that have had an answer and ask for nothing more.

use std::{fmt::Write as _, thread, time::Duration};

use crate::{
    Failure, client, cpu,
    machine::Machine,
    options::Options,
    peer::{self, Peer},
    results,
    server::Server,
    stats::Spread,
    table::spread,
};

const CONNECTIONS: usize = 10_000;
/// For which they are idle; by then deadlines of the requests before are over.
const SECONDS: usize = 12;

pub static PEERS: [&Peer; 5] = [
    &peer::BARE,
    &peer::RAW_HYPER,
    &peer::CHASSIS,
    &peer::USUAL_JSON_SUBSCRIBER,
    &peer::ACTIX,
];

pub fn run(options: &Options) -> Result<(), Failure> {
    let mut text = Machine::describe().markdown("10,000 idle connections");
    text.push_str(
        "\nEach has had one answer. Resident memory of the process; what the kernel keeps for a connection is not in it.\n\n\
         | server | MB before | MB with 10,000 | KB a connection | CPU ms in each of the 12 s after |\n\
         |---|---|---|---|---|\n",
    );
    for peer in PEERS {
        let environment = [("MAX_CONNECTIONS", (CONNECTIONS + 1000).to_string())];
        let server = Server::spawn(peer, options.server_core, &environment)?;
        server.check("/")?;
        let before = cpu::resident(server.pid())?;
        let connections = client::idle(server.addr, CONNECTIONS)?;
        server.settle()?;
        let resident = cpu::resident(server.pid())?;
        let mut milliseconds = Vec::new();
        for _ in 0..SECONDS {
            let cpu_before = cpu::of_process(server.pid())?;
            thread::sleep(Duration::from_secs(1));
            let cpu = cpu::of_process(server.pid())? - cpu_before;
            milliseconds.push(cpu.as_secs_f64() * 1e3);
        }
        client::all_open(&connections)?;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `{}` | {:.1} | {:.1} | {:.2} | {} |",
            peer.name,
            before as f64 / 1024.0,
            resident as f64 / 1024.0,
            resident.saturating_sub(before) as f64 / CONNECTIONS as f64,
            spread(Spread::of(milliseconds), 2),
        );
        drop(connections);
        server.stop()?;
    }
    results::keep(options, "idle", &text, None)
}
