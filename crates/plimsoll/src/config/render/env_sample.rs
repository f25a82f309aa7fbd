//! A profile to start from: every setting, with what it is for.
//!
//! | setting                          | line                                          |
//! |----------------------------------|-----------------------------------------------|
//! | fixed default                    | `NAME=default`                                |
//! | no default, or one that varies   | `# NAME=example`                              |
//! | required                         | `NAME=`, so that the start fails and says why |
//! | secret                           | `# NAME=` and `# NAME_FILE=/run/secrets/name` |
//!
//! Loaded as it is, the sample of a service without required settings changes nothing.
//! There are no comments behind values: Docker's `--env-file` would take them for a part of it.

use super::{Definitions, accepted, profile_value, wrapped};
use crate::config::definition::{DefaultValue, Definition, secret_file_name};

/// Width of the text, in characters.
const WIDTH: usize = 100;

impl Definitions {
    /// Writes a commented profile with every setting at its default.
    #[must_use]
    pub fn env_sample(&self) -> String {
        let mut sample = wrapped(
            "Settings and their defaults. The real environment wins over this file; an empty \
             value counts as unset.",
            "# ",
            WIDTH,
        );
        for setting in &self.settings {
            sample.push('\n');
            sample.push_str(&wrapped(setting.meaning, "# ", WIDTH));
            sample.push_str(&wrapped(&facts(setting), "# ", WIDTH));
            sample.push_str(&line(setting));
        }
        sample
    }
}

fn facts(definition: &Definition) -> String {
    let mut facts = format!("Accepted: {}.", accepted(definition));
    if let DefaultValue::Varies(_) | DefaultValue::Unset = definition.fallback {
        facts.push_str(&format!(" Default: {}.", definition.fallback));
    }
    if !definition.aliases.is_empty() {
        facts.push_str(&format!(
            " Also read from {}.",
            definition.aliases.join(", ")
        ));
    }
    facts
}

fn line(definition: &Definition) -> String {
    let name = definition.name;
    match definition.fallback {
        DefaultValue::Fixed(value) => format!("{name}={}\n", profile_value(value)),
        DefaultValue::Required => format!("{name}=\n"),
        DefaultValue::Unset | DefaultValue::Varies(_) if definition.secret => {
            let file = secret_file_name(name);
            let path = name.to_ascii_lowercase();
            format!("# {name}=\n# {file}=/run/secrets/{path}\n")
        }
        DefaultValue::Unset | DefaultValue::Varies(_) => {
            let example = profile_value(definition.example.unwrap_or_default());
            format!("# {name}={example}\n")
        }
    }
}
