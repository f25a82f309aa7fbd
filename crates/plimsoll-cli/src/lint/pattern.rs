//! Regular expressions of proxies, evaluated on the reserved paths.
//!
//! Proxies use PCRE. What it has beyond regular languages, such as lookahead, is not evaluated.

use regex_automata::{
    nfa::thompson::{self, WhichCaptures, pikevm::PikeVM},
    util::syntax,
};

use super::rules;

/// The largest compiled pattern in bytes. A few bytes can stand for millions of repetitions.
const MAX_SIZE: usize = 32 << 10;

/// The deepest group that is read.
const MAX_DEPTH: u32 = 50;

/// Returns the reserved paths that contain a match. `None` if the pattern cannot be evaluated.
pub(crate) fn matched(pattern: &str, is_insensitive: bool) -> Option<Vec<&'static str>> {
    // Without Unicode, its tables are not needed.
    let syntax = syntax::Config::new()
        .case_insensitive(is_insensitive)
        .nest_limit(MAX_DEPTH)
        .unicode(false)
        .utf8(false);
    let nfa = thompson::Config::new()
        .nfa_size_limit(Some(MAX_SIZE))
        .which_captures(WhichCaptures::Implicit)
        .utf8(false);
    let regex = PikeVM::builder()
        .syntax(syntax)
        .thompson(nfa)
        .build(pattern);
    let regex = regex.ok()?;
    let mut cache = regex.create_cache();
    let mut paths = rules::exposed("/", false);
    paths.retain(|path| regex.is_match(&mut cache, *path));
    Some(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_is_evaluated_on_the_paths() {
        #[track_caller]
        fn check(pattern: &str, paths: &[&str]) {
            assert_eq!(matched(pattern, false).as_deref(), Some(paths), "{pattern}");
        }
        check("^/(metrics|ready)$", &["/ready", "/metrics"]);
        check(r"^\/m\w{6}", &["/metrics"]);
        check("^/api/metrics", &[]);
        check("z$", &["/livez", "/readyz", "/healthz", "/startupz"]);
        check("^/METRICS$", &[]);
        assert_eq!(matched("^/METRICS$", true), Some(vec!["/metrics"]));
    }

    #[test]
    fn hostile_pattern_is_not_evaluated() {
        let nested = "(".repeat(100_000) + &")".repeat(100_000);
        for pattern in [
            "^/(?!metrics)",
            "(",
            "(a{99}){99}",
            r"(\w{1000}){1000}",
            &nested,
        ] {
            assert_eq!(matched(pattern, false), None, "{}", pattern.len());
        }
    }
}
