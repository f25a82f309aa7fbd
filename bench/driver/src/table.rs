//! The table: medians, and ratios of the same round with their spread.

use std::fmt::Write as _;

use crate::{
    keepalive::{Measured, Turn},
    machine::{self, Machine},
    options::Options,
    stats::Spread,
};

pub fn markdown(options: &Options, machine: &Machine, all: &[Measured]) -> String {
    let mut text = String::new();
    head(&mut text, options, machine);
    text.push_str(
        "| server | CPU µs/request | ÷ bare | ÷ raw_hyper | cores | requests/s | p50 ms | p99 ms | p99.9 ms | MB | records lost |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for measured in all {
        row(&mut text, all, measured);
    }
    text.push('\n');
    for measured in all {
        // Writing to a string does not fail.
        let _ = writeln!(text, "- `{}`: {}.", measured.peer.name, measured.peer.does);
    }
    let quiet = all.iter().flat_map(|it| &it.turns).map(|it| it.others);
    if let Some(others) = Spread::of(quiet) {
        let _ = writeln!(
            text,
            "\nOthers took {:.1} % of the server's core (median of all turns; at most {:.1} %).",
            others.median * 100.0,
            others.greatest * 100.0
        );
    }
    text
}

fn head(text: &mut String, options: &Options, machine: &Machine) {
    let _ = writeln!(
        text,
        "{}, {} cores, {}, {}, {}, plimsoll {}.\n\n{} on {}; {} rounds of {} s, server on core {}, load generator on core {}.\n\
         Medians, and in brackets the least and the greatest; ratios are taken in each round.\n",
        machine.cpu,
        machine.cores,
        machine.kernel,
        machine.rustc,
        machine.wrk,
        machine.commit,
        "`GET /` over 64 kept-alive connections",
        machine::date(),
        options.rounds,
        options.seconds,
        options.server_core,
        options.load_core,
    );
}

fn row(text: &mut String, all: &[Measured], measured: &Measured) {
    let of = |value: fn(&Turn) -> f64| Spread::of(measured.turns.iter().map(value));
    let median = |value| of(value).map_or(f64::NAN, |it| it.median);
    let lost = |it: &Turn| it.lost as f64 * 100.0 / it.seen.requests as f64;
    let lost = match (measured.peer.record, of(lost)) {
        (None, _) | (_, None) => "writes none".to_owned(),
        (Some(_), Some(it)) if it.greatest == 0.0 => "0".to_owned(),
        (Some(_), Some(it)) => format!("{:.1} %", it.median),
    };
    let _ = writeln!(
        text,
        "| `{}` | {} | {} | {} | {:.2} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {lost} |",
        measured.peer.name,
        spread(of(micros), 2),
        spread(ratio(all, measured, "bare"), 3),
        spread(ratio(all, measured, "raw_hyper"), 3),
        median(|it| it.cores),
        median(|it| it.seen.requests_per_second()),
        median(|it| it.seen.p50 as f64 / 1e3),
        median(|it| it.seen.p99 as f64 / 1e3),
        median(|it| it.seen.p999 as f64 / 1e3),
        median(|it| it.resident as f64 / 1024.0),
    );
}

pub fn micros(turn: &Turn) -> f64 {
    turn.cpu_per_request.as_nanos() as f64 / 1e3
}

/// CPU against another peer's in the same round.
pub fn ratio(all: &[Measured], measured: &Measured, other: &str) -> Option<Spread> {
    let other = all.iter().find(|it| it.peer.name == other)?;
    let pairs = measured.turns.iter().zip(&other.turns);
    Spread::of(pairs.map(|(it, other)| micros(it) / micros(other)))
}

fn spread(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or_else(
        || "–".to_owned(),
        |it| {
            format!(
                "{:.digits$} [{:.digits$}–{:.digits$}]",
                it.median, it.least, it.greatest
            )
        },
    )
}
