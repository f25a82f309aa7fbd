//! The table of a contest: medians, and ratios of the same round with their spread.

use std::fmt::Write as _;

use crate::{
    contest::{Contest, Measured, Price},
    machine::Machine,
    measure::Turn,
    options::Options,
    stats::Spread,
};

/// In percent: what a machine with nothing else to do spends on itself.
const QUIET: f64 = 5.0;

pub fn markdown(
    contest: &Contest,
    options: &Options,
    machine: &Machine,
    all: &[Measured],
) -> String {
    let mut text = machine.markdown(contest.title);
    // Writing to a string does not fail, here and below.
    let _ = writeln!(
        text,
        "{} rounds, in each of them {} s for each peer in turn; server on core {}, load generator on core {}.\n\
         Medians, in brackets the least and the greatest; ratios and differences are taken in each round.\n",
        options.rounds, options.seconds, options.server_core, options.load_core,
    );
    rows(&mut text, contest, all);
    if !contest.prices.is_empty() {
        prices(&mut text, contest, all);
    }
    text.push('\n');
    for measured in all {
        let _ = writeln!(
            text,
            "- `{}`: {}.",
            measured.contestant.name, measured.contestant.does
        );
    }
    let others = all
        .iter()
        .flat_map(|it| &it.turns)
        .map(|it| it.others * 100.0);
    if let Some(others) = Spread::of(others) {
        let _ = writeln!(
            text,
            "\nOthers took {:.1} % of the server's core (median of all turns, {:.1} % at most).",
            others.median, others.greatest
        );
        if others.median > QUIET {
            text.push_str("That is no quiet machine: measure again before you quote this.\n");
        }
    }
    text
}

fn rows(text: &mut String, contest: &Contest, all: &[Measured]) {
    let against: String = contest
        .against
        .iter()
        .map(|it| format!(" ÷ {it} |"))
        .collect();
    let _ = writeln!(
        text,
        "| server | CPU µs/request |{against} cores | requests/s | p50 ms | p99 ms | p99.9 ms | MB | records lost |\n\
         |---|---|{}---|---|---|---|---|---|---|",
        "---|".repeat(contest.against.len())
    );
    for measured in all {
        let median = |value| measured.spread(value).map_or(f64::NAN, |it| it.median);
        let ratio = |it: &&str| format!(" {} |", spread(ratio(all, measured, it), 3));
        let ratios: String = contest.against.iter().map(ratio).collect();
        let _ = writeln!(
            text,
            "| `{}` | {} |{ratios} {:.2} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {} |",
            measured.contestant.name,
            spread(measured.spread(Turn::micros), 2),
            median(|it| it.cores),
            median(|it| it.seen.requests_per_second()),
            median(|it| it.seen.p50 as f64 / 1e3),
            median(|it| it.seen.p99 as f64 / 1e3),
            median(|it| it.seen.p999 as f64 / 1e3),
            median(|it| it.resident as f64 / 1024.0),
            lost(measured),
        );
    }
}

fn lost(measured: &Measured) -> String {
    let percent = |it: &Turn| it.lost as f64 * 100.0 / it.seen.requests as f64;
    match (measured.contestant.peer.record, measured.spread(percent)) {
        (None, _) | (_, None) => "–".to_owned(),
        (Some(_), Some(it)) if it.greatest == 0.0 => "0".to_owned(),
        (Some(_), Some(it)) => format!("{:.2} %", it.median),
    }
}

fn prices(text: &mut String, contest: &Contest, all: &[Measured]) {
    text.push_str("\n| price of | found as | CPU ns/request | % of |\n|---|---|---|---|\n");
    for price in contest.prices {
        let Some((nanos, percent)) = difference(all, price) else {
            continue;
        };
        let _ = writeln!(
            text,
            "| {} | `{}` − `{}` | {} | {} of `{}` |",
            price.of,
            price.with,
            price.without,
            spread(nanos, 0),
            spread(percent, 1),
            price.whole,
        );
    }
}

/// In nanoseconds, and in percent of the whole in the same round.
fn difference(all: &[Measured], price: &Price) -> Option<(Option<Spread>, Option<Spread>)> {
    let micros = |name: &str| {
        let measured = all.iter().find(|it| it.contestant.name == name)?;
        Some(measured.turns.iter().map(Turn::micros).collect::<Vec<_>>())
    };
    let (with, without) = (micros(price.with)?, micros(price.without)?);
    let whole = micros(price.whole)?;
    let less: Vec<_> = with
        .iter()
        .zip(&without)
        .map(|(it, less)| it - less)
        .collect();
    let percent = less
        .iter()
        .zip(&whole)
        .map(|(it, whole)| it * 100.0 / whole);
    let percent = Spread::of(percent);
    Some((Spread::of(less.iter().map(|it| it * 1e3)), percent))
}

/// CPU against another one's in the same round.
pub fn ratio(all: &[Measured], measured: &Measured, other: &str) -> Option<Spread> {
    let other = format!("{other}{}", measured.contestant.suffix);
    let other = all.iter().find(|it| it.contestant.name == other)?;
    let pairs = measured.turns.iter().zip(&other.turns);
    Spread::of(pairs.map(|(it, other)| it.micros() / other.micros()))
}

pub fn spread(spread: Option<Spread>, digits: usize) -> String {
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
