//! The token of a start: 128 random bits, without which the API answers nothing (CON-2).
//!
//! It is in the printed address and in a file that only this user can read, and nowhere else.
//! `Debug` does not show it.

use std::fmt;

use aws_lc_rs::{constant_time::verify_slices_are_equal, error::Unspecified, rand};

/// The bytes of a token.
const BYTES: usize = 16;

/// A token, in hexadecimal digits.
#[derive(Clone)]
pub(super) struct Token(String);

impl Token {
    /// Returns a new token.
    ///
    /// # Errors
    ///
    /// If the system has no random numbers.
    pub(super) fn generate() -> Result<Self, Unspecified> {
        random_hex::<BYTES>().map(Self)
    }

    /// Returns the digits.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in a time that does not depend on the bytes.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), text).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// Returns random bytes in hexadecimal digits.
///
/// # Errors
///
/// If the system has no random numbers.
pub(super) fn random_hex<const N: usize>() -> Result<String, Unspecified> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_matches() {
        let token = Token::generate().unwrap();
        let text = token.expose().to_owned();
        assert_eq!(text.len(), 32);
        assert!(token.matches(text.as_bytes()));
        assert!(!token.matches(&text.as_bytes()[..31]));
        assert!(!token.matches(b""));
        assert!(!token.matches(format!("{text}0").as_bytes()));
        assert!(!token.matches(Token::generate().unwrap().expose().as_bytes()));
        assert!(!format!("{token:?}").contains(&text));
    }
}
