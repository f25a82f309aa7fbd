//! What 10,000 connections cost that ask for nothing: before a request, and after one.

use std::{
    fmt::Write as _,
    io,
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

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
/// 1,000 connections a second. All at once they would measure the peaks of the allocators.
const PACE: Duration = Duration::from_millis(1);
/// After the last connection is open.
const SECONDS_BEFORE_MEMORY: usize = 5;
/// By then deadlines of the requests before are over.
const SECONDS: usize = 12;

pub static PEERS: [&Peer; 7] = [
    &peer::BARE,
    &peer::RAW_HYPER,
    &peer::CHASSIS,
    &peer::USUAL_JSON_SUBSCRIBER,
    &peer::ACTIX,
    &peer::NGINX,
    &peer::GO,
];

pub fn run(options: &Options) -> Result<(), Failure> {
    let mut text = Machine::describe().markdown("10,000 idle connections");
    text.push_str(
        "\nThey are opened at 1,000 a second: in one process none of them sends a request, in another each has had one answer.\n\
         Resident memory of the process 5 s after the last one is open; what the kernel keeps for a connection is not in it.\n\
         Bytes a connection are the difference to the memory before, divided by 10,000.\n\
         CPU is of each of the 12 s after the last one is open.\n\n\
         | server | MB before | bytes a connection, no request | bytes a connection, after a request | MB with 10,000, no request | MB with 10,000, after a request | CPU ms/s, no request | CPU ms/s, after a request |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for peer in PEERS.into_iter().filter(|it| it.takes_part()) {
        let silent = Idle::measure(options, peer, client::silent)?;
        let answered = Idle::measure(options, peer, client::answered_once)?;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `{}` | {:.1} | {:.0} | {:.0} | {:.1} | {:.1} | {} | {} |",
            peer.name,
            megabytes(answered.before),
            silent.bytes_per_connection(),
            answered.bytes_per_connection(),
            megabytes(silent.resident),
            megabytes(answered.resident),
            spread(silent.cpu, 2),
            spread(answered.cpu, 2),
        );
    }
    results::keep(options, "idle", &text, None)
}

/// Memory is in KiB.
struct Idle {
    before: u64,
    resident: u64,
    /// Milliseconds in each second.
    cpu: Option<Spread>,
}

impl Idle {
    fn measure(
        options: &Options,
        peer: &'static Peer,
        open: fn(SocketAddr) -> io::Result<TcpStream>,
    ) -> Result<Self, Failure> {
        let environment = [
            ("MAX_CONNECTIONS", (CONNECTIONS + 1000).to_string()),
            // The chassis closes a connection without a request after this time.
            ("READ_TIMEOUT", "75s".to_owned()),
        ];
        let server = Server::spawn(peer, options.server_core, &environment)?;
        server.check("/")?;
        let before = cpu::resident(server.pid())?;
        let connections = client::idle(server.addr, CONNECTIONS, PACE, open)?;
        server.settle()?;
        let mut resident = before;
        let mut milliseconds = Vec::new();
        for second in 1..=SECONDS {
            let cpu_before = cpu::of_process(server.pid())?;
            thread::sleep(Duration::from_secs(1));
            let cpu = cpu::of_process(server.pid())? - cpu_before;
            milliseconds.push(cpu.as_secs_f64() * 1e3);
            if second == SECONDS_BEFORE_MEMORY {
                resident = cpu::resident(server.pid())?;
            }
        }
        client::all_open(&connections)?;
        // One that waits in the kernel for its turn costs the server nothing.
        let accepted = cpu::open_files(server.pid())?;
        if accepted < CONNECTIONS {
            let name = peer.name;
            return Err(format!("{name} has accepted {accepted} of {CONNECTIONS}").into());
        }
        drop(connections);
        server.stop()?;
        Ok(Self {
            before,
            resident,
            cpu: Spread::of(milliseconds),
        })
    }

    fn bytes_per_connection(&self) -> f64 {
        self.resident.saturating_sub(self.before) as f64 * 1024.0 / CONNECTIONS as f64
    }
}

fn megabytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}
