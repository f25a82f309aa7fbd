//! How large the programs are.

use std::{fmt::Write as _, fs, process::Command};

use crate::{
    Failure, build,
    machine::Machine,
    options::Options,
    peer::{self, Peer},
    results,
};

pub static PEERS: [&Peer; 5] = [
    &peer::BARE,
    &peer::RAW_HYPER,
    &peer::CHASSIS,
    &peer::USUAL_JSON_SUBSCRIBER,
    &peer::ACTIX,
];

pub fn run(options: &Options) -> Result<(), Failure> {
    let mut text = Machine::describe().markdown("Size of the programs");
    text.push_str(
        "\nAll with fat LTO and one codegen unit; as built, and without symbols.\n\n\
         | server | MB as built | MB without symbols |\n|---|---|---|\n",
    );
    let stripped = build::bench().join("target/stripped");
    for peer in PEERS {
        let program = build::program(peer);
        let strip = Command::new("strip")
            .arg("-o")
            .arg(&stripped)
            .arg(&program)
            .status()?;
        if !strip.success() {
            return Err(format!("strip: {strip}").into());
        }
        let size = |path| Ok::<_, Failure>(fs::metadata(path)?.len() as f64 / 1024.0 / 1024.0);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `{}` | {:.2} | {:.2} |",
            peer.name,
            size(&program)?,
            size(&stripped)?
        );
    }
    results::keep(options, "size", &text, None)
}
