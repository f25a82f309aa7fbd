//! A sample profile: every setting at its default, with its meaning.
//!
//! | setting                          | line                                          |
//! |----------------------------------|-----------------------------------------------|
//! | fixed default                    | `NAME=default`                                |
//! | no default, or one that varies   | `# NAME=example`                              |
//! | required                         | `NAME=`, so that the start reports it         |
//! | secret                           | `# NAME=` and `# NAME_FILE=/run/secrets/name` |
//!
//! For a service without required settings, the sample changes nothing.
//! Comments stand on lines of their own: Docker's `--env-file` reads the rest of a line as the value.

use plimsoll::{
    config::{DefaultValue, Definition, Definitions},
    xtask_support::{accepted, profile_value, wrapped},
};

/// Width of the text, in characters.
const WIDTH: usize = 100;

/// Returns a commented profile with every setting at its default.
pub(super) fn text(definitions: &Definitions) -> String {
    let mut sample = wrapped(
        "Settings and their defaults. The real environment wins over this file; an empty value \
         counts as unset.",
        "# ",
        WIDTH,
    );
    for setting in definitions.settings() {
        sample.push('\n');
        sample.push_str(&wrapped(setting.meaning, "# ", WIDTH));
        sample.push_str(&wrapped(&facts(setting), "# ", WIDTH));
        sample.push_str(&line(setting));
    }
    sample
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
        _ if definition.secret => {
            let path = name.to_ascii_lowercase();
            format!("# {name}=\n# {name}_FILE=/run/secrets/{path}\n")
        }
        _ => {
            let example = profile_value(definition.example.unwrap_or_default());
            format!("# {name}={example}\n")
        }
    }
}
