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

/// The part of a request that a proxy compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Path,
    /// The path and the query, which the client chooses.
    PathAndQuery,
    /// The target as the client sends it: in HTTP/2 and in the absolute form also with scheme and host.
    Url,
}

impl Target {
    /// Returns texts that requests of a path can have. A rule that matches only some of them is evaded.
    pub(crate) fn texts(self, path: &str) -> Vec<String> {
        let mut texts = vec![path.to_owned()];
        if self != Self::Path {
            texts.extend([format!("{path}?"), format!("{path}?~")]);
        }
        if self == Self::Url {
            texts.push(format!("http://~{path}"));
        }
        texts
    }
}

/// Returns the reserved paths whose requests all contain a match. `None` if the pattern cannot be evaluated.
///
/// For another target than the path, some requests of the other paths can contain a match too.
pub(crate) fn matched(
    pattern: &str,
    is_insensitive: bool,
    target: Target,
) -> Option<Vec<&'static str>> {
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
    let mut paths = rules::reserved();
    let mut is_match = |text: &String| regex.is_match(&mut cache, text);
    paths.retain(|path| target.texts(path).iter().all(&mut is_match));
    Some(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_is_evaluated_on_the_paths() {
        #[track_caller]
        fn check(pattern: &str, paths: &[&str]) {
            let found = matched(pattern, false, Target::Path);
            assert_eq!(found.as_deref(), Some(paths), "{pattern}");
        }
        check("^/(metrics|ready)$", &["/ready", "/metrics"]);
        check(r"^\/m\w{6}", &["/metrics"]);
        check("^/api/metrics", &[]);
        check("z$", &["/livez", "/readyz", "/healthz", "/startupz"]);
        check("^/METRICS$", &[]);
        let found = matched("^/METRICS$", true, Target::Path);
        assert_eq!(found, Some(vec!["/metrics"]));
    }

    #[test]
    fn pattern_of_a_target_matches_each_of_its_forms() {
        #[track_caller]
        fn check(pattern: &str, target: Target, is_match: bool) {
            let found = matched(pattern, false, target).unwrap();
            assert_eq!(
                found.contains(&"/metrics"),
                is_match,
                "{pattern} {target:?}"
            );
        }
        check("^/metrics$", Target::Path, true);
        check("^/metrics$", Target::PathAndQuery, false);
        check("^/metrics", Target::PathAndQuery, true);
        check("^/metrics", Target::Url, false);
        check("/metrics", Target::Url, true);
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
            assert_eq!(
                matched(pattern, false, Target::Path),
                None,
                "{}",
                pattern.len()
            );
        }
    }
}
