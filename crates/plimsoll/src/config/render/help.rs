//! The text of `--help`: usage, then all variables.
//!
//! Wrapped at 100 columns, the width of half a screen.

use super::{Definitions, accepted, wrapped};
use crate::config::definition::{Definition, Owner};

/// Width of the text, in characters.
const WIDTH: usize = 100;

/// The arguments of the command line, with their effects.
const COMMANDS: [(&str, &str); 6] = [
    (
        "healthcheck",
        "ask the service's own /health; exit status 0 if it is well, else 1",
    ),
    (
        "admin",
        "request a path of the admin listener, such as `admin /admin/checks`",
    ),
    (
        "--check-config",
        "check all settings, print them with their origin, and end",
    ),
    (
        "--env-file PATH",
        "load a profile; wins over ENV_FILE, the real environment wins over both",
    ),
    ("--help", "print this and end"),
    ("--version", "print name, version and build time, and end"),
];

impl Definitions {
    /// Formats the text of `--help`, with the name of the program and a sentence about it.
    #[must_use]
    pub fn help(&self, program: &str, about: &str) -> String {
        let mut text = wrapped(&format!("{program}: {about}"), "", WIDTH);
        text.push_str(&format!(
            "\nUsage: {program} [--check-config] [--env-file PATH]\n       \
             {program} healthcheck [--env-file PATH]\n       \
             {program} [--env-file PATH] admin [METHOD] PATH [name=value…]\n       \
             {program} --help | --version\n\n"
        ));
        for (command, meaning) in COMMANDS {
            text.push_str(&format!("  {command:<17}{meaning}\n"));
        }

        text.push('\n');
        text.push_str(&wrapped(
            "Everything else is set by environment variables; an empty one counts as unset. \
             Durations are 250ms, 5s, 2m, 1h or plain seconds. Names in brackets are accepted too.",
            "",
            WIDTH,
        ));
        for (owner, headline) in [
            (Owner::Service, "Settings of this service:"),
            (Owner::Chassis, "Settings of every service:"),
        ] {
            let mut settings = self
                .settings
                .iter()
                .filter(|it| it.owner == owner)
                .peekable();
            if settings.peek().is_some() {
                text.push_str(&format!("\n{headline}\n"));
            }
            settings.for_each(|setting| text.push_str(&entry(setting)));
        }

        if !self.ignored.is_empty() {
            text.push_str("\nAccepted, without effect:\n");
        }
        for ignored in &self.ignored {
            text.push_str(&format!("  {}: {}\n", ignored.name, ignored.reason));
        }
        text
    }
}

fn entry(definition: &Definition) -> String {
    let aliases = match definition.aliases.as_slice() {
        [] => String::new(),
        aliases => format!(" [{}]", aliases.join(", ")),
    };
    let head = format!("{}{aliases} ({})", definition.name, definition.fallback);
    let mut text = format!("\n{}", wrapped(&head, "  ", WIDTH));
    text.push_str(&wrapped(definition.meaning, "      ", WIDTH));
    let accepted = format!("Accepted: {}.", accepted(definition));
    text.push_str(&wrapped(&accepted, "      ", WIDTH));
    text
}
