//! `${NAME}` in Compose files, replaced from the `.env` of the folder.

use std::{collections::BTreeMap, path::Path};

use crate::lint::{env_file, input};
use crate::place::{Broken, Place, Sited};

/// The deepest expression that is replaced. Defaults that are variables have two levels.
const MAX_DEPTH: usize = 20;

/// The variables of the folder.
#[derive(Debug, Default)]
pub(super) struct Variables {
    values: BTreeMap<String, Sited<String>>,
}

impl Variables {
    /// Reads the `.env` of a folder.
    ///
    /// # Errors
    ///
    /// If the file exists and cannot be read or parsed.
    pub(super) fn of(folder: &Path) -> Result<Self, Broken> {
        let path = folder.join(".env");
        if !path.exists() {
            return Ok(Self::default());
        }
        let variables = env_file::parse(&input::text(&path)?, &input::shown(&path))?;
        Ok(Self {
            values: variables.into_iter().collect(),
        })
    }

    /// Replaces the variables of a text. `None` if a value is not in the files.
    pub(super) fn resolve(&self, text: &str) -> Option<String> {
        self.nested(text, MAX_DEPTH)
    }

    /// Returns the line of the variable that a text begins with, as in `${NAME}`.
    pub(super) fn origin(&self, text: &str) -> Option<&Place> {
        let text = text.strip_prefix('$')?;
        let (name, _) = split_name(text.strip_prefix('{').unwrap_or(text));
        Some(&self.values.get(name)?.place)
    }

    fn nested(&self, text: &str, left: usize) -> Option<String> {
        let left = left.checked_sub(1)?;
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            result.push_str(before);
            rest = if let Some(after) = after.strip_prefix('$') {
                result.push('$');
                after
            } else if let Some(after) = after.strip_prefix('{') {
                let (expression, after) = after.split_at_checked(closing(after)?)?;
                result.push_str(&self.braced(expression, left)?);
                &after[1..]
            } else {
                let (name, after) = split_name(after);
                result.push_str(&self.values.get(name)?.value);
                after
            };
        }
        result.push_str(rest);
        Some(result)
    }

    /// Returns the value of `NAME`, `NAME:-default` or another form in braces.
    fn braced(&self, expression: &str, left: usize) -> Option<String> {
        let (name, form) = split_name(expression);
        let value = self.values.get(name).map(|it| &it.value);
        let value_if_set = value.filter(|value| !value.is_empty() || !form.starts_with(':'));
        match form.trim_start_matches(':').split_at_checked(1) {
            None => value.cloned(),
            Some(("-", default)) => match value_if_set {
                Some(value) => Some(value.clone()),
                None => self.nested(default, left),
            },
            Some(("+", alternative)) => match value_if_set {
                Some(_) => self.nested(alternative, left),
                None => Some(String::new()),
            },
            Some(_) => value_if_set.cloned(),
        }
    }
}

/// Splits a text after the name of a variable.
fn split_name(text: &str) -> (&str, &str) {
    let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

/// Returns the position of the brace that closes an expression; defaults can contain others.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variables() -> Variables {
        let values = [("A", "1"), ("E", "")];
        Variables {
            values: values
                .map(|(name, value)| {
                    let value = Sited::new(value.to_owned(), Place::new(".env", 1));
                    (name.to_owned(), value)
                })
                .into(),
        }
    }

    #[test]
    fn all_forms_are_replaced() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(variables().resolve(text).as_deref(), expected, "{text}");
        }
        check("a$$b", Some("a$b"));
        check("x$A-${A}", Some("x1-1"));
        check("${B:-2}s", Some("2s"));
        check("${B:-${A}}", Some("1"));
        check("${E:-2}${E-3}", Some("2"));
        check("${A:+y}${E:+n}", Some("y"));
        check("${A:?must be set}", Some("1"));
        check("${B:?must be set}", None);
        check("$B", None);
        check("${A", None);
        let deep = format!("{}x{}", "${B:-".repeat(10), "}".repeat(10));
        check(&deep, Some("x"));
        let too_deep = format!("{}x{}", "${B:-".repeat(100_000), "}".repeat(100_000));
        check(&too_deep, None);
    }

    proptest! {
        #[test]
        fn any_text_is_resolved_without_a_panic(text in any::<String>(), form in "[${}:?+A-]{0,20}") {
            let _ = variables().resolve(&text);
            let _ = variables().resolve(&form);
        }
    }
}
