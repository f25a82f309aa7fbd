//! The rule for the names of checks and background workers (contract HLT-1, WRK-1).

/// The longest name, in bytes.
pub(crate) const MAX_LENGTH: usize = 32;

/// Whether the name is a letter, then letters, digits and underscores.
pub(crate) fn is_valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= MAX_LENGTH
        && bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HLT-1, WRK-1
    #[test]
    fn names_follow_the_rule() {
        for name in ["a", "outbox", "db_2", &"a".repeat(MAX_LENGTH)] {
            assert!(is_valid(name), "{name}");
        }
        for name in [
            "",
            "2",
            "_a",
            "A",
            "a-b",
            "a b",
            "ä",
            &"a".repeat(MAX_LENGTH + 1),
        ] {
            assert!(!is_valid(name), "{name}");
        }
    }
}
