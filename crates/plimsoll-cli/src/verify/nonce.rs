//! Texts that occur nowhere else, from a seed.

use std::hash::{BuildHasher as _, RandomState};

/// Generates texts of 16 hexadecimal digits. The same seed generates the same texts.
#[derive(Debug, Clone)]
pub(super) struct Nonces(u64);

impl Nonces {
    pub(super) fn new(seed: u32) -> Self {
        Self(u64::from(seed) << 32)
    }

    pub(super) fn next(&mut self) -> String {
        format!("{:016x}", self.number())
    }

    /// The generator splitmix64.
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        number ^ (number >> 31)
    }
}

/// Returns a seed that differs between runs.
pub(super) fn random_seed() -> u32 {
    let [a, b, c, d, ..] = RandomState::new().hash_one(()).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_determines_the_texts() {
        let texts = |seed| {
            let mut nonces = Nonces::new(seed);
            [nonces.next(), nonces.next()]
        };
        assert_eq!(texts(7), texts(7));
        assert_ne!(texts(7), texts(8));
        assert_ne!(texts(7)[0], texts(7)[1]);
    }
}
