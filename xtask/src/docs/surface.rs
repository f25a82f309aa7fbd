//! The settings and paths as data, in `crates/plimsoll-contract/surface.json`.

use plimsoll::{
    config::{DefaultValue, Definition, Definitions},
    xtask_support::reserved_paths,
};
use plimsoll_contract::{Setting, Surface};

/// Returns the text of the file.
pub(super) fn json(definitions: &Definitions) -> String {
    let surface = Surface {
        settings: definitions.settings().iter().map(setting).collect(),
        paths: reserved_paths().into_iter().map(str::to_owned).collect(),
    };
    let json = serde_json::to_string_pretty(&surface).expect("it has texts alone");
    json + "\n"
}

fn setting(definition: &Definition) -> Setting {
    let (default, varies) = match definition.fallback {
        DefaultValue::Fixed(value) => (Some(value.to_owned()), None),
        DefaultValue::Varies(text) => (None, Some(text.to_owned())),
        _ => (None, None),
    };
    Setting {
        name: definition.name.to_owned(),
        aliases: definition
            .aliases
            .iter()
            .map(|&alias| alias.to_owned())
            .collect(),
        expected: definition.expected.to_owned(),
        default,
        varies,
        secret: definition.secret,
    }
}
