//! Requests over one connection of HTTP/2 whose handlers block their thread.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    Failure,
    machine::Machine,
    options::Options,
    peer::{self, Peer},
    results,
    server::Server,
    stats::Spread,
    table::spread,
};

pub static PEERS: [&Peer; 2] = [&peer::BLOCKING_BARE, &peer::BLOCKING];

const REQUESTS: u32 = 20;

pub fn run(options: &Options) -> Result<(), Failure> {
    let mut took: Vec<Vec<f64>> = vec![Vec::new(); PEERS.len()];
    for _ in 0..options.rounds {
        for (took, peer) in took.iter_mut().zip(PEERS) {
            // Two workers on one core: a handler that sleeps needs none.
            let workers = [("WORKERS", "2".to_owned())];
            let server = Server::spawn(peer, options.server_core, &workers)?;
            server.check("/")?;
            took.push(ask(server.addr, options.load_core)?.as_secs_f64());
            server.stop()?;
        }
    }
    let mut text = Machine::describe().markdown("Handlers that block, over one connection");
    // Writing to a string does not fail, here and below.
    let _ = write!(
        text,
        "\n{REQUESTS} requests at a time over one connection of HTTP/2 to two workers, {} rounds. Each handler \
         blocks its thread for 100 ms, so two threads need 1 s. The start of h2load is included.\n\n\
         | server | seconds until all are answered |\n|---|---|\n",
        options.rounds
    );
    for (took, peer) in took.into_iter().zip(PEERS) {
        let _ = writeln!(
            text,
            "| `{}` | {} |",
            peer.name,
            spread(Spread::of(took), 2)
        );
    }
    results::keep(options, "spread", &text, None)
}

/// Sends the requests, and returns the time until the last response.
fn ask(addr: SocketAddr, core: usize) -> Result<Duration, Failure> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "--cpu-list"]);
    command
        .arg(core.to_string())
        .args(["h2load", "--clients=1"]);
    command.arg(format!("--max-concurrent-streams={REQUESTS}"));
    command.arg(format!("--requests={REQUESTS}"));
    command.arg(format!("http://{addr}/"));
    let began = Instant::now();
    let output = command.output().map_err(|it| format!("h2load: {it}"))?;
    let took = began.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains(&format!("status codes: {REQUESTS} 2xx")) {
        return Err(format!("not all are answered: {text}").into());
    }
    Ok(took)
}
