//! Output without a terminal: a line per instance and scrape, `name=value` for each value.
//!
//! A missing value is `–`. Times are in seconds.

use std::fmt::Write as _;

use plimsoll_scrape::Quantile;

use super::{
    model::{Figures, Instance, Model, Status},
    number::or_missing,
};

/// Returns the lines of a scrape.
pub(super) fn text(model: &Model) -> String {
    let lines = model.statuses().map(|(instance, status)| {
        let mut line = format!(
            "time={:.0} instance={}",
            model.now.unix,
            word(&instance.name)
        );
        line.push_str(&values(&status));
        line.push_str(&notes(model, instance));
        line + "\n"
    });
    lines.collect()
}

fn values(status: &Status<'_>) -> String {
    match status {
        Status::Answers(figures) => format!(" answer=yes{}", figures_text(figures)),
        Status::Unknown => " answer=–".to_owned(),
        Status::Silent { since, was, error } => format!(
            " answer=no since={} was={} error={}",
            or_missing(*since, |since| since.as_secs().to_string()),
            was.map_or("–".to_owned(), word),
            word(error)
        ),
    }
}

fn figures_text(figures: &Figures<'_>) -> String {
    let mut text = format!(" state={}", figures.state.map_or("–".to_owned(), word));
    let decimal = |value: Option<f64>| or_missing(value, |value| format!("{value:.2}"));
    let whole = |value: Option<f64>| or_missing(value, |value| format!("{value:.0}"));
    let quantile = |value: Option<Quantile>| {
        or_missing(value, |value| match value {
            Quantile::At(seconds) => format!("{seconds:.6}"),
            Quantile::Above(seconds) => format!(">{seconds}"),
        })
    };
    for (name, value) in [
        ("requests_per_second", decimal(figures.requests_per_second)),
        ("errors_percent", decimal(figures.errors_percent)),
        ("p50", quantile(figures.p50)),
        ("p99", quantile(figures.p99)),
        ("in_flight", whole(figures.in_flight)),
        ("slots", whole(figures.slots)),
        ("connections", whole(figures.connections)),
        ("shed", whole(figures.shed)),
        ("lost", whole(figures.lost)),
    ] {
        write!(text, " {name}={value}").expect("a String accepts every write");
    }
    text
}

fn notes(model: &Model, instance: &Instance) -> String {
    let notes = instance.notes(model.now);
    if notes.is_empty() {
        String::new()
    } else {
        format!(" notes={}", word(&notes.join("; ")))
    }
}

/// Returns a value without white space as it is, and any other in quotes, so that lines can be split.
fn word(value: &str) -> String {
    let is_plain = |next: char| !next.is_whitespace() && !next.is_control() && next != '"';
    if !value.is_empty() && value.chars().all(is_plain) {
        value.to_owned()
    } else {
        format!("{value:?}")
    }
}
