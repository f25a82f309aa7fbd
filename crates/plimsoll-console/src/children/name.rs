//! Names of services, and commands as text.
//!
//! A name is part of URLs and of filters, so it has no characters that either must escape.

use std::ffi::{OsStr, OsString};

/// The service of the console's own records.
pub(crate) const CONSOLE: &str = "console";

/// The longest name.
const MAX_LENGTH: usize = 64;

/// Whether a text can be the name of a service.
pub(crate) fn is_valid(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=MAX_LENGTH).contains(&name.len())
        && name.chars().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Returns a name for a command: that of its program, or of the target of `cargo run`.
pub(crate) fn of_command(command: &[OsString]) -> String {
    let words: Vec<&str> = command.iter().filter_map(|word| word.to_str()).collect();
    let program = words.first().map_or("", |program| file_name(program));
    let name = match program {
        "cargo" => cargo_target(&words).unwrap_or(program),
        _ => program,
    };
    from_text(name)
}

/// Returns a name that resembles a text, such as the name of a file or a host.
pub(crate) fn from_text(text: &str) -> String {
    let replaced = |c: char| match c {
        c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') => c,
        _ => '-',
    };
    let name: String = text.chars().map(replaced).take(MAX_LENGTH).collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    match name {
        "" | CONSOLE => "service".to_owned(),
        name => name.to_owned(),
    }
}

/// Returns a command as text that a shell reads as the same words.
pub(crate) fn shell_text(command: &[OsString]) -> String {
    let words = command.iter().map(|word| quoted(&word.to_string_lossy()));
    words.collect::<Vec<_>>().join(" ")
}

fn file_name(path: &str) -> &str {
    let name = std::path::Path::new(path).file_name();
    name.and_then(OsStr::to_str).unwrap_or(path)
}

/// Returns the target that the options of cargo name.
fn cargo_target<'w>(words: &[&'w str]) -> Option<&'w str> {
    let own = words.iter().position(|word| *word == "--");
    let words = &words[..own.unwrap_or(words.len())];
    let of = |names: [&str; 2]| {
        let long = |word: &&'w str| word.strip_prefix(names[0])?.strip_prefix('=');
        let joined = words.iter().find_map(long);
        let next = || {
            let at = words.iter().position(|word| names.contains(word))?;
            words.get(at + 1).copied()
        };
        joined.or_else(next)
    };
    of(["--example", "--example"])
        .or_else(|| of(["--bin", "--bin"]))
        .or_else(|| of(["--package", "-p"]))
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn names_need_no_escapes() {
        for name in ["a", "orders", "orders-2", "a.b_c", "7"] {
            assert!(is_valid(name), "{name}");
        }
        for name in ["", "-a", ".", "a b", "a/b", "a:b", "ä", &"a".repeat(65)] {
            assert!(!is_valid(name), "{name}");
        }
    }

    #[test]
    fn command_gives_its_service_a_name() {
        let cases = [
            ("target/debug/orders --fast", "orders"),
            ("cargo run", "cargo"),
            ("cargo run -p orders --bin other", "other"),
            ("cargo run --package=orders -- -p 80", "orders"),
            ("./my service", "my"),
            ("console", "service"),
        ];
        for (command, name) in cases {
            assert_eq!(of_command(&words(command)), name, "{command}");
        }
        assert_eq!(of_command(&[]), "service");
        assert_eq!(from_text("127.0.0.1:80/a"), "127.0.0.1-80-a");
    }

    #[test]
    fn text_of_a_command_is_quoted() {
        let command = ["sh", "-c", "echo 'a b' $HOME", ""].map(OsString::from);
        assert_eq!(shell_text(&command), r#"sh -c 'echo '\''a b'\'' $HOME' ''"#);
    }
}
