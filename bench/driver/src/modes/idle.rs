//! What 10,000 connections cost that have had an answer and ask for nothing more.

use std::{fmt::Write as _, thread, time::Duration};

use crate::{
    Failure, client, cpu,
    machine::Machine,
    options::Options,
    peer::{self, Peer},
    results,
    server::Server,
};

const CONNECTIONS: usize = 10_000;

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
        "\nResident memory of the process; what the kernel keeps for a connection is not in it.\n\n\
         | server | MB before | MB with 10,000 | KB a connection | CPU ms a second, idle |\n\
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
        let cpu_before = server.cpu()?;
        thread::sleep(Duration::from_secs(options.seconds));
        let cpu = server.cpu()? - cpu_before;
        client::all_open(&connections)?;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `{}` | {:.1} | {:.1} | {:.2} | {:.2} |",
            peer.name,
            before as f64 / 1024.0,
            resident as f64 / 1024.0,
            resident.saturating_sub(before) as f64 / CONNECTIONS as f64,
            cpu.as_secs_f64() * 1e3 / options.seconds as f64,
        );
        drop(connections);
        server.stop()?;
    }
    results::keep(options, "idle", &text, None)
}
