//! From the end of a request to its record at the reader of the log.

use std::{fmt::Write as _, thread, time::Duration};

use crate::{
    Failure, client,
    load::Load,
    machine::Machine,
    options::Options,
    peer::{self, Peer},
    results,
    server::Server,
};

pub static PEER: &Peer = &peer::CHASSIS;

pub fn run(options: &Options) -> Result<(), Failure> {
    let mut text = Machine::describe().markdown("Delay of a record");
    text.push_str(
        "\nFrom the time in the record to its arrival. That time is cut to milliseconds, so a delay \
         is up to 1 ms too large. The reader shares its core with the load generator.\n\n\
         | records/s | records | median ms | p99 ms | greatest ms |\n|---|---|---|---|---|\n",
    );
    let singles = if options.quick { 5 } else { 60 };
    row(&mut text, options, |server| {
        for _ in 0..singles {
            client::get(server.addr, "/")?;
            thread::sleep(Duration::from_secs(1));
        }
        Ok("1".to_owned())
    })?;
    row(&mut text, options, |server| {
        let load = Load::keepalive();
        let seen = load.run(server.addr, options.load_core, options.seconds)?;
        Ok(format!("{:.0}", seen.requests_per_second()))
    })?;
    results::keep(options, "delay", &text, None)
}

/// Adds the delays under a load, which returns its rate.
fn row(
    text: &mut String,
    options: &Options,
    load: impl FnOnce(&Server) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let server = Server::spawn(PEER, options.server_core, &[])?;
    server.check("/")?;
    server.settle()?;
    server.records.delays.note();
    let rate = load(&server)?;
    server.settle()?;
    let summary = server.records.delays.summary();
    let ([median, late, latest], count) = summary.ok_or("no record has arrived")?;
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "| {rate} | {count} | {median:.1} | {late:.1} | {latest:.1} |"
    );
    server.stop()
}
