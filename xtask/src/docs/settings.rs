//! The table of settings in `docs/settings.md`.
//!
//! A row of a table in Markdown is one line, and a `|` ends a cell even within code.
//! Both are escaped here, so that a meaning can contain any text.

use plimsoll::{
    config::{DefaultValue, Definition, Definitions},
    xtask_support::accepted,
};

/// Returns a table with a row for each setting, aliases in brackets after the name.
pub(super) fn table(definitions: &Definitions) -> String {
    let mut table = row(["variable", "default", "accepted", "meaning"].map(str::to_owned));
    table.push_str("|---|---|---|---|\n");
    for setting in definitions.settings() {
        table.push_str(&row([
            names(setting),
            default(setting),
            text(&accepted(setting)),
            text(setting.meaning),
        ]));
    }
    for ignored in definitions.ignored() {
        table.push_str(&row([
            format!("[{}]", code(ignored.name)),
            "–".to_owned(),
            "anything".to_owned(),
            format!("No effect: {}.", text(ignored.reason)),
        ]));
    }
    table
}

fn row(cells: [String; 4]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn names(definition: &Definition) -> String {
    let aliases = definition.aliases.iter();
    let aliases = aliases.map(|alias| format!(" [{}]", code(alias)));
    format!("{}{}", code(definition.name), aliases.collect::<String>())
}

fn default(definition: &Definition) -> String {
    match definition.fallback {
        DefaultValue::Fixed(value) => code(value),
        other => text(&other.to_string()),
    }
}

fn code(value: &str) -> String {
    format!("`{}`", text(value))
}

fn text(cell: &str) -> String {
    let words: Vec<_> = cell.split_whitespace().collect();
    words.join(" ").replace('|', r"\|")
}
