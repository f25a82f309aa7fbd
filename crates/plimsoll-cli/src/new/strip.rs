//! Makes a file of the service from a file of the template.
//!
//! ```text
//! // +ws                      kept with the option, without the two lines of the marker
//! .route("/echo", get(echo))
//! // -ws
//! # plimsoll new: library     replaced by lines that depend on the library's source
//! rust-axum-app               replaced by the name, as a whole word
//! ```
//!
//! `// +template` marks what only the repository of plimsoll needs. Other file types have `#` or
//! `<!-- -->` in the place of `//`.

use std::collections::BTreeSet;

use super::{name::Name, option::Feature, template::PLACEHOLDER};

/// A line that is replaced.
const SLOT: &str = "# plimsoll new: ";

/// Removes what belongs to options that are not selected, and fills the slots.
///
/// `slot` returns the lines for the word of a slot. They get the slot's indentation.
pub(super) fn strip(
    text: &str,
    features: &BTreeSet<Feature>,
    slot: impl Fn(&str) -> Vec<String>,
) -> String {
    let mut stripped = String::with_capacity(text.len());
    let mut is_kept = true;
    for line in text.split_inclusive('\n') {
        let content = line.trim();
        if let Some((is_begin, word)) = marker(content) {
            let is_selected = features.iter().any(|feature| feature.as_str() == word);
            is_kept = !is_begin || is_selected;
        } else if let Some(word) = content.strip_prefix(SLOT) {
            let indentation = &line[..line.len() - line.trim_start().len()];
            for filled in slot(word) {
                stripped.push_str(indentation);
                stripped.push_str(&filled);
                stripped.push('\n');
            }
        } else if is_kept {
            stripped.push_str(line);
        }
    }
    stripped
}

/// Parses a line as a marker: whether it begins a part, and its word.
pub(super) fn marker(line: &str) -> Option<(bool, &str)> {
    let html = line
        .strip_prefix("<!-- ")
        .and_then(|it| it.strip_suffix(" -->"));
    let rest = html
        .or(line.strip_prefix("// "))
        .or(line.strip_prefix("# "))?;
    let is_begin = rest.starts_with('+');
    let word = rest.strip_prefix(['+', '-'])?;
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word.then_some((is_begin, word))
}

/// Replaces the template's name where it is a whole word.
pub(super) fn rename(text: &str, name: &Name) -> String {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(PLACEHOLDER) {
        let (before, found) = rest.split_at(at);
        let after = &found[PLACEHOLDER.len()..];
        renamed.push_str(before);
        if renamed.ends_with(is_inside) || after.starts_with(is_inside) {
            renamed.push_str(PLACEHOLDER);
        } else {
            renamed.push_str(name.as_str());
        }
        rest = after;
    }
    renamed.push_str(rest);
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(text: &str, features: &[Feature]) -> String {
        let features = features.iter().copied().collect();
        strip(text, &features, |word| {
            vec![format!("{word}:"), "  filled".to_owned()]
        })
    }

    #[test]
    fn only_selected_parts_are_kept() {
        let text = "a\n  // +ws\n  b\n  // -ws\n# +redis\nc\n# -redis\nd";
        assert_eq!(stripped(text, &[]), "a\nd");
        assert_eq!(stripped(text, &[Feature::Ws]), "a\n  b\nd");
        assert_eq!(stripped(text, &Feature::ALL), "a\n  b\nc\nd");
    }

    #[test]
    fn parts_of_the_repository_are_removed() {
        let text = "# +template\na\n# -template\nb\n";
        assert_eq!(stripped(text, &Feature::ALL), "b\n");
    }

    #[test]
    fn slot_is_replaced_with_its_indentation() {
        let text = "a:\n  # plimsoll new: library\nb\n";
        assert_eq!(stripped(text, &[]), "a:\n  library:\n    filled\nb\n");
    }

    #[test]
    fn ordinary_comments_are_no_markers() {
        for line in [
            "// + ws",
            "# -5 is less",
            "// +",
            "x // +ws",
            "//+ws",
            "- ws",
        ] {
            assert_eq!(marker(line), None, "{line}");
        }
        assert_eq!(marker("// +ws"), Some((true, "ws")));
        assert_eq!(marker("# -otlp"), Some((false, "otlp")));
        assert_eq!(marker("<!-- +redis -->"), Some((true, "redis")));
    }

    #[test]
    fn name_is_replaced_as_a_whole_word() {
        let name = Name::parse("shop").unwrap();
        let text = "rust-axum-app, rust-axum-app-prod: services/rust-axum-app/src rust-axum-apps xrust-axum-app";
        assert_eq!(
            rename(text, &name),
            "shop, shop-prod: services/shop/src rust-axum-apps xrust-axum-app"
        );
    }
}
