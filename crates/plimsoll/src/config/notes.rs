//! Findings about a valid configuration, logged at the start.
//!
//! * An unknown variable whose name is similar to that of a setting: one WARNING each.
//! * A variable that is set without effect, because a name with precedence is set too or because it
//!   has no meaning here: all of them in one INFO record.
//!
//! # Misspelt names
//!
//! A name is reported as misspelt if it has at least [`MIN_CHARS`] characters and is at most
//! [`MAX_EDITS`] edits away from a known one. An edit adds, removes or replaces a character, or
//! swaps two neighbours (optimal string alignment: no character is edited twice).
//! Shorter names are not compared: two edits turn `PORT` into `PATH`. Neither are the variables of
//! OpenSSL, OpenTelemetry, Rust and Kubernetes (`standard.rs`).
//!
//! # Security
//!
//! Notes contain names, never values.

use std::{borrow::Cow, fmt};

use super::{standard::is_standard, text::escaped};

/// Names shorter than this are not compared.
const MIN_CHARS: usize = 6;

/// The most edits between a misspelt name and a known one.
const MAX_EDITS: usize = 2;

/// Findings to log at the start. Errors are [`ConfigErrors`](super::ConfigErrors).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    /// Misspelt variables, in the order of their names.
    pub(crate) typos: Vec<Typo>,
    /// Variables that are set without effect, each with the reason.
    pub(crate) aliases: Vec<String>,
}

/// A variable that is set and unknown, and the similar name of a known one.
///
/// `Display` formats a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Typo {
    /// The name that is set.
    pub(crate) unknown: String,
    /// The nearest known name.
    pub(crate) nearest: Cow<'static, str>,
}

impl fmt::Display for Typo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = escaped(&self.unknown);
        write!(
            f,
            "{unknown} is not known, the nearest name is {}",
            self.nearest
        )
    }
}

/// Returns the misspelt names among those that are set.
///
/// Of several known names at the same distance, the first one is reported.
pub(super) fn typos<'a>(
    set: impl IntoIterator<Item = &'a str>,
    known: &[Cow<'static, str>],
) -> Vec<Typo> {
    let counted: Vec<_> = known.iter().map(|name| (counts(name), name)).collect();
    let nearest = |unknown: &str| {
        let counts = counts(unknown);
        counted
            .iter()
            .filter(|(other, _)| may_be_near(&counts, other))
            .map(|(_, name)| (strsim::osa_distance(name, unknown), *name))
            .filter(|(edits, _)| *edits <= MAX_EDITS)
            .min_by_key(|(edits, _)| *edits)
    };
    let mut typos: Vec<Typo> = set
        .into_iter()
        .filter(|name| name.chars().count() >= MIN_CHARS && !is_standard(name))
        .filter_map(|unknown| match nearest(unknown)? {
            (0, _) => None,
            (_, nearest) => Some(Typo {
                unknown: unknown.to_owned(),
                nearest: nearest.clone(),
            }),
        })
        .collect();
    typos.sort_by(|a, b| a.unknown.cmp(&b.unknown));
    typos.dedup();
    typos
}

/// The number of occurrences of each character, in buckets.
type Counts = [u16; 32];

/// Counts the characters of a name. Several characters share a bucket, so the counts can hide a
/// difference but not create one.
fn counts(name: &str) -> Counts {
    let mut counts = [0_u16; 32];
    for c in name.chars() {
        let bucket = &mut counts[u32::from(c) as usize % 32];
        *bucket = bucket.saturating_add(1);
    }
    counts
}

/// Whether two names can be within [`MAX_EDITS`]: an edit changes at most two counts by one.
///
/// In a Kubernetes cluster a process can have tens of thousands of variables. This cheap check
/// excludes nearly all of them before the expensive distance is computed.
fn may_be_near(a: &Counts, b: &Counts) -> bool {
    let difference: u32 = a
        .iter()
        .zip(b)
        .map(|(a, b)| u32::from(a.abs_diff(*b)))
        .sum();
    difference as usize <= 2 * MAX_EDITS
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["PORT", "WORKERS", "READ_TIMEOUT", "LOG_LEVEL", "LOG_LEVER"];

    #[track_caller]
    fn check(name: &str, expect: Option<&str>) {
        let found = typos([name], &KNOWN.map(Cow::Borrowed));
        let nearest = found.first().map(|typo| typo.nearest.as_ref());
        assert_eq!(nearest, expect, "{name}");
    }

    #[test]
    fn name_within_two_edits_is_misspelt() {
        check("READ_TIMEOT", Some("READ_TIMEOUT"));
        check("READ_TIMEOUTS", Some("READ_TIMEOUT"));
        check("RAED_TIMEOUT", Some("READ_TIMEOUT"));
        check("READ_TIMOEUT_", Some("READ_TIMEOUT"));
        check("READTIMEOU", Some("READ_TIMEOUT"));
        check("READTIMEO", None);
        check("WORKER", Some("WORKERS"));
        check("REPORT", Some("PORT"));
    }

    #[test]
    fn nearest_name_wins_and_then_the_first() {
        check("LOG_LEVE", Some("LOG_LEVEL"));
        check("LOG_LEVERS", Some("LOG_LEVER"));
    }

    #[test]
    fn short_and_known_names_are_not_reported() {
        check("PORTS", None);
        check("PATH", None);
        check("WORKERS", None);
        check("HOSTNAME", None);
        check("", None);
    }

    #[test]
    fn count_check_never_excludes_a_misspelt_name() {
        use proptest::prelude::*;

        let edit = (0..4_u8, any::<prop::sample::Index>(), any::<char>());
        proptest!(|(name in "[A-D_ä]{6,10}", edits in prop::collection::vec(edit, 0..=MAX_EDITS))| {
            let mut slip: Vec<char> = name.chars().collect();
            for (kind, at, c) in edits {
                let at = at.index(slip.len());
                match kind {
                    0 => slip.insert(at, c),
                    1 => drop(slip.remove(at)),
                    2 => slip[at] = c,
                    _ => slip.swap(at, at.saturating_sub(1)),
                }
            }
            let slip: String = slip.into_iter().collect();
            prop_assert!(may_be_near(&counts(&name), &counts(&slip)), "{name} {slip}");
        });
    }

    #[test]
    fn name_that_is_not_utf8_is_compared_as_shown() {
        check("LOG_LEVEL\u{fffd}", Some("LOG_LEVEL"));
    }

    #[test]
    fn misspelt_names_are_reported_once_in_order() {
        let found = typos(
            ["WORKERZ", "READ_TIMEOT", "WORKERZ"],
            &KNOWN.map(Cow::Borrowed),
        );
        let names: Vec<_> = found.iter().map(|typo| typo.unknown.as_str()).collect();
        assert_eq!(names, ["READ_TIMEOT", "WORKERZ"]);
    }

    #[test]
    fn control_characters_of_a_name_are_escaped() {
        let typo = Typo {
            unknown: "LOG_\nLEVEL".to_owned(),
            nearest: "LOG_LEVEL".into(),
        };
        assert!(!typo.to_string().contains('\n'));
    }
}
