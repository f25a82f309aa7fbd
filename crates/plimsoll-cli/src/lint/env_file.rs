//! Files of `NAME=value` lines: `env_file` of Compose, `EnvironmentFile` of systemd, profiles.
//!
//! The three forms differ in escapes and continued lines, which no setting needs.

use crate::place::{Broken, Place, Sited};

/// Parses a file. Returns names and values; the last of equal names wins.
///
/// # Errors
///
/// If a line is neither an assignment nor a comment. The text of the line may be a secret and is left out.
pub(crate) fn parse(text: &str, file: &str) -> Result<Vec<(String, Sited<String>)>, Broken> {
    let file = Place::new(file, 1);
    let mut variables = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = file.at(index + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| Broken::new(place.clone(), "expected NAME=value"))?;
        let value = Sited::new(unquoted(value.trim()).to_owned(), place);
        variables.push((name.trim_end().to_owned(), value));
    }
    Ok(variables)
}

/// Removes quotes, or the comment after an unquoted value.
pub(crate) fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = value
            .strip_prefix(quote)
            .and_then(|it| it.split_once(quote));
        if let Some((inner, _)) = inner {
            return inner;
        }
    }
    let comment = value.match_indices('#').map(|(at, _)| &value[..at]);
    let mut before = comment.filter(|before| before.is_empty() || before.ends_with([' ', '\t']));
    before.next().unwrap_or(value).trim_end()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_have_their_line() {
        let text = "# first\n\nA=b # why\nexport B='c # d' # why\nC=\"e\"\nD=f#g\nE=\n";
        let variables = parse(text, ".env").unwrap();
        let found: Vec<_> = variables
            .iter()
            .map(|(name, it)| (name.as_str(), it.value.as_str(), it.place.line))
            .collect();
        let expected = [
            ("A", "b", 3),
            ("B", "c # d", 4),
            ("C", "e", 5),
            ("D", "f#g", 6),
            ("E", "", 7),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn broken_line_is_reported_without_its_text() {
        let broken = parse("A=b\nsecret\n", ".env").unwrap_err();
        assert_eq!(broken.place.to_string(), ".env:2");
        assert!(!broken.what.contains("secret"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in any::<String>(), line in "[A='\"# \n]{0,40}") {
            let _ = parse(&text, "a");
            let _ = parse(&line, "a");
        }
    }
}
