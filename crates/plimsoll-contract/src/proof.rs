//! The tests of each clause as data, for `plimsoll verify --explain`.
//!
//! `cargo run -p xtask -- contract` writes `proofs.json` from the comments above the tests.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

/// The tests of the clauses.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Proofs {
    /// The tests of a clause by its id, each as `FILE: NAME`.
    pub by_clause: BTreeMap<String, Vec<String>>,
}

impl Proofs {
    /// Returns the tests of this version.
    ///
    /// # Panics
    ///
    /// Never: the file is part of this crate, and a test reads it.
    #[must_use]
    pub fn get() -> &'static Self {
        static PROOFS: LazyLock<Proofs> = LazyLock::new(|| {
            serde_json::from_str(include_str!("../proofs.json")).expect("proofs.json is tested")
        });
        &PROOFS
    }

    /// Returns the content of `proofs.json`.
    ///
    /// # Panics
    ///
    /// Never: all keys are texts.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("all keys are texts");
        format!("{text}\n")
    }

    /// Returns the tests of a clause.
    #[must_use]
    pub fn of(&self, clause: &str) -> &[String] {
        self.by_clause.get(clause).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_have_tests() {
        let proofs = Proofs::get();
        let mut tests = proofs.of("HTTP-1").iter();
        assert!(tests.any(|test| test.ends_with("/http.rs: root_returns_the_banner")));
        assert!(proofs.of("HTTP-99").is_empty());
    }
}
