//! The name of a service, which names a crate, an image, a Kubernetes Service and a Compose project.

use std::fmt;

use super::template;

/// Kubernetes accepts 63 bytes in a label, and adds suffixes of up to 10.
const MAX_LENGTH: usize = 53;

/// Names that Cargo rejects, and words that are no text in YAML.
const RESERVED: &[&str] = &[
    // Keywords of Rust, also reserved ones.
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    // Crates of the compiler.
    "alloc",
    "core",
    "proc-macro",
    "std",
    "test",
    // Folders in target/.
    "build",
    "deps",
    "examples",
    "incremental",
    // Booleans and nothing, in YAML.
    "n",
    "no",
    "null",
    "off",
    "on",
    "y",
    "yes",
    // The library, and jobs of Prometheus beside the service's.
    "alertmanager",
    "plimsoll",
    "prometheus",
];

/// A valid name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(String);

/// An invalid name, with one that is valid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("{name:?} cannot name a crate, an image and a Service: try {try_instead}")]
    Form { name: String, try_instead: String },
    #[error("{name:?} has more than {MAX_LENGTH} bytes: try {try_instead}")]
    Long { name: String, try_instead: String },
    #[error(
        "{name:?} is reserved, or the name of a library that the service uses: try {try_instead}"
    )]
    Reserved { name: String, try_instead: String },
}

impl Name {
    pub(super) fn parse(text: &str) -> Result<Self, NameError> {
        let name = text.to_owned();
        if !is_well_formed(text) {
            let try_instead = suggestion(text);
            return Err(NameError::Form { name, try_instead });
        }
        if text.len() > MAX_LENGTH {
            let try_instead = suggestion(text);
            return Err(NameError::Long { name, try_instead });
        }
        if is_reserved(text) {
            let try_instead = suggestion(text);
            return Err(NameError::Reserved { name, try_instead });
        }
        Ok(Self(name))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text matches `^[a-z][a-z0-9]*(-[a-z0-9]+)*$`.
fn is_well_formed(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.split('-').all(|part| {
            let mut bytes = part.bytes();
            !part.is_empty() && bytes.all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
        })
}

/// A package with the name of a dependency would depend on itself.
fn is_reserved(text: &str) -> bool {
    RESERVED.contains(&text) || template::dependencies().any(|name| name == text)
}

/// Returns a valid name that resembles `text`.
fn suggestion(text: &str) -> String {
    let lower = text.to_lowercase();
    let parts: Vec<&str> = lower
        .split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .collect();
    let mut name = parts.join("-");
    name.truncate(MAX_LENGTH);
    let name = name.trim_end_matches('-');
    if name.is_empty() {
        return "my-service".to_owned();
    }
    let needs_letter = name.starts_with(|c: char| c.is_ascii_digit());
    let needs_word = needs_letter || is_reserved(name);
    match (needs_letter, needs_word) {
        (true, _) => truncated(&format!("service-{name}")),
        (_, true) => truncated(&format!("{name}-service")),
        _ => name.to_owned(),
    }
}

fn truncated(name: &str) -> String {
    let end = name.len().min(MAX_LENGTH);
    name[..end].trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn error(text: &str) -> String {
        Name::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn well_formed_names_are_accepted() {
        for text in ["a", "orders", "orders-2", "a1-b2-3", "template"] {
            assert_eq!(Name::parse(text).unwrap().as_str(), text);
        }
        assert!(Name::parse(&"a".repeat(53)).is_ok());
    }

    #[test]
    fn malformed_names_get_a_suggestion() {
        let cases = [
            ("My_App", "my-app"),
            ("", "my-service"),
            ("-a-", "a"),
            ("a--b", "a-b"),
            ("2fa", "service-2fa"),
            ("../etc", "etc"),
            ("äöü", "my-service"),
            ("Straße", "stra-e"),
            ("Fn", "fn-service"),
        ];
        for (text, expected) in cases {
            let message = error(text);
            assert!(message.ends_with(&format!("try {expected}")), "{message}");
        }
        assert_eq!(
            error("My_App"),
            r#""My_App" cannot name a crate, an image and a Service: try my-app"#
        );
    }

    #[test]
    fn long_names_are_rejected() {
        let message = error(&"a".repeat(54));
        assert!(message.contains("more than 53 bytes"), "{message}");
    }

    #[test]
    fn names_with_a_meaning_are_rejected() {
        for text in [
            "fn", "test", "core", "std", "plimsoll", "on", "axum", "sqlx", "tokio",
        ] {
            let message = error(text);
            assert!(
                message.ends_with(&format!("try {text}-service")),
                "{message}"
            );
        }
    }

    #[test]
    fn every_suggestion_is_valid() {
        let mut texts: Vec<String> = RESERVED.iter().map(|&it| it.to_owned()).collect();
        texts.extend([
            "9".repeat(80),
            "x-".repeat(40),
            format!("{}-b", "a".repeat(52)),
        ]);
        texts.extend((0..=u8::MAX).map(|byte| char::from(byte).to_string()));
        for text in texts {
            let name = suggestion(&text);
            assert!(Name::parse(&name).is_ok(), "{text:?}: {name}");
        }
    }
}
