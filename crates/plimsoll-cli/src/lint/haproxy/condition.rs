//! Conditions of HAProxy, evaluated for a path that a client without privileges requests.
//!
//! Such a client has no address, password or certificate that a condition names.
//! The rest of its request, such as the host, is unknown: `None`.

use std::collections::HashMap;

use super::parse::Line;
use crate::lint::{pattern, rules};

/// The tests of a section by name.
pub(super) type Acls<'conf> = HashMap<&'conf str, Criterion>;

/// A test of a request.
#[derive(Debug, Default)]
pub(super) struct Criterion {
    /// The reserved paths that fulfil it.
    paths: Vec<&'static str>,
    /// The result for all others.
    otherwise: Option<bool>,
}

/// The condition of a line: alternatives, each with terms that must all hold.
#[derive(Debug)]
pub(super) struct Condition<'conf> {
    is_inverted: bool,
    alternatives: Vec<Vec<Term<'conf>>>,
}

#[derive(Debug)]
struct Term<'conf> {
    is_negated: bool,
    test: Test<'conf>,
}

#[derive(Debug)]
enum Test<'conf> {
    Named(&'conf str),
    Inline(Criterion),
}

/// Returns the tests that the lines `acl` of a section define. Lines of one name are alternatives.
pub(super) fn acls(lines: &[Line]) -> Acls<'_> {
    let mut acls = Acls::new();
    for line in lines.iter().filter(|it| it.starts_with(&["acl"])) {
        if let [_, name, test @ ..] = line.words.as_slice() {
            let Criterion { paths, otherwise } = Criterion::read(test);
            let known = acls.entry(name).or_insert_with(|| Criterion {
                otherwise: Some(false),
                ..Criterion::default()
            });
            known.paths.extend(paths);
            known.paths.sort_unstable();
            known.paths.dedup();
            known.otherwise = any([known.otherwise, otherwise]);
        }
    }
    acls
}

impl<'conf> Condition<'conf> {
    /// Reads the condition at the end of a line. Without one, the line always applies.
    pub(super) fn of(line: &'conf Line) -> Self {
        let words = &line.words;
        let at = words.iter().rposition(|it| it == "if" || it == "unless");
        let mut words = at.map_or(&[][..], |at| &words[at + 1..]);
        let mut alternatives = Vec::new();
        let mut terms = Vec::new();
        let mut is_negated = false;
        while let [first, rest @ ..] = words {
            words = rest;
            let word = first.trim_start_matches('!');
            is_negated ^= (first.len() - word.len()) % 2 == 1;
            let test = match word {
                "" => continue,
                "||" | "or" => {
                    alternatives.push(std::mem::take(&mut terms));
                    continue;
                }
                "{" => {
                    let end = words.iter().position(|it| it == "}");
                    let (test, rest) = words.split_at(end.unwrap_or(words.len()));
                    words = rest.get(1..).unwrap_or_default();
                    Test::Inline(Criterion::read(test))
                }
                name => Test::Named(name),
            };
            terms.push(Term { is_negated, test });
            is_negated = false;
        }
        alternatives.push(terms);
        Self {
            is_inverted: at.is_some_and(|at| line.words[at] == "unless"),
            alternatives,
        }
    }

    /// Whether it holds for a reserved path.
    pub(super) fn holds(&self, path: &str, acls: &Acls<'_>) -> Option<bool> {
        let terms = |terms: &Vec<Term<'_>>| all(terms.iter().map(|it| it.holds(path, acls)));
        let holds = any(self.alternatives.iter().map(terms));
        holds.map(|holds| holds != self.is_inverted)
    }
}

impl Term<'_> {
    fn holds(&self, path: &str, acls: &Acls<'_>) -> Option<bool> {
        let holds = match &self.test {
            Test::Inline(criterion) => criterion.holds(path),
            Test::Named(name) => match (acls.get(name), *name) {
                (Some(criterion), _) => criterion.holds(path),
                (None, "TRUE") => Some(true),
                (None, "FALSE" | "LOCALHOST") => Some(false),
                (None, _) => None,
            },
        };
        holds.map(|holds| holds != self.is_negated)
    }
}

impl Criterion {
    fn holds(&self, path: &str) -> Option<bool> {
        if self.paths.contains(&path) {
            Some(true)
        } else {
            self.otherwise
        }
    }

    /// Reads a test, such as `path_beg -i /a /b`.
    fn read(words: &[String]) -> Self {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some((sample, mut patterns)) = words.split_first() else {
            return Self::default();
        };
        let (sample, converters) = sample.split_once(',').unwrap_or((sample, ""));
        let sample = sample.split('(').next().unwrap_or(sample);
        let other = |otherwise| Self {
            otherwise,
            ..Self::default()
        };
        let is_privilege = |start: &&str| sample.starts_with(start);
        if ["src", "http_auth", "ssl_c_"].iter().any(is_privilege) {
            return other(Some(false));
        }
        // The reserved paths are in lower case and have no escapes.
        let mut converters = converters.split(',').filter(|it| !it.is_empty());
        let is_path = converters.all(|it| matches!(it, "lower" | "url_dec"));
        let suffix = ["pathq", "path", "url"]
            .iter()
            .find_map(|it| sample.strip_prefix(it));
        let Some(mut method) = suffix.filter(|_| is_path) else {
            return other(match sample {
                "always_true" => Some(true),
                "always_false" => Some(false),
                _ => None,
            });
        };
        method = method.trim_start_matches('_');
        let (mut is_insensitive, mut has_file) = (false, false);
        loop {
            patterns = match patterns {
                ["--", rest @ ..] => {
                    patterns = rest;
                    break;
                }
                ["-m", name, rest @ ..] => {
                    method = name;
                    rest
                }
                ["-f", _, rest @ ..] => {
                    has_file = true;
                    rest
                }
                [flag, rest @ ..] if flag.starts_with('-') => {
                    is_insensitive |= *flag == "-i";
                    rest
                }
                _ => break,
            };
        }
        let mut criterion = other(Some(false).filter(|_| !has_file));
        for pattern in patterns {
            match matched(method, pattern, is_insensitive) {
                Some(paths) => criterion.paths.extend(paths),
                None => criterion.otherwise = None,
            }
        }
        criterion
    }
}

/// Returns the reserved paths that a pattern matches. `None` if it cannot be evaluated.
fn matched(method: &str, pattern: &str, is_insensitive: bool) -> Option<Vec<&'static str>> {
    if method == "reg" {
        return pattern::matched(pattern, is_insensitive);
    }
    let pattern = match is_insensitive {
        true => pattern.to_ascii_lowercase(),
        false => pattern.to_owned(),
    };
    let folder = format!("/{}/", pattern.trim_matches('/'));
    let is_match: &dyn Fn(&str) -> bool = match method {
        "" | "str" => &|path| path == pattern,
        "beg" => &|path| path.starts_with(&pattern),
        "end" => &|path| path.ends_with(&pattern),
        "sub" => &|path| path.contains(&pattern),
        "dir" => &|path| format!("{path}/").contains(&folder),
        _ => return None,
    };
    let mut paths = rules::exposed("/", false);
    paths.retain(|path| is_match(path));
    Some(paths)
}

/// Whether all of some results are true.
fn all(results: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for result in results {
        match result {
            Some(true) => {}
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
}

/// Whether one of some results is true.
fn any(results: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let not = |result: Option<bool>| result.map(|it| !it);
    not(all(results.into_iter().map(not)))
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    /// Returns the paths that a frontend with these lines passes on.
    fn exposed(lines: &str) -> Vec<&'static str> {
        let text = format!("frontend a\n{lines}\n default_backend b\nbackend b\n server c d:1\n");
        parse(&text, "a").proxies()[0].exposed.clone()
    }

    #[test]
    fn paths_are_matched_by_each_method() {
        #[track_caller]
        fn check(condition: &str, paths: &[&str]) {
            let allowed = format!(" http-request deny unless {{ {condition} }}");
            assert_eq!(exposed(&allowed), paths, "{condition}");
        }
        check("path /ready /metrics /other", &["/metrics", "/ready"]);
        check("path_beg /ready", &["/ready", "/readyz"]);
        check("path -m beg -i /READY", &["/ready", "/readyz"]);
        check("path_end dyz", &["/readyz"]);
        check("path_sub tric", &["/metrics"]);
        check("path_dir metrics", &["/metrics"]);
        check("path,url_dec,lower -m str -- /ready", &["/ready"]);
        check("path_reg ^/(health|ready)$", &["/health", "/ready"]);
        check("url_reg -i ^/HEALTHZ?$", &["/health", "/healthz"]);
        check(r"path_reg ^/m\w+s$", &["/metrics"]);
    }

    #[test]
    fn terms_and_alternatives_are_combined() {
        #[track_caller]
        fn check(rules: &str, is_hidden: bool) {
            let lines = format!(
                " acl metrics path /metrics\n acl internal src 10.0.0.0/8\n acl internal src fd00::/8\n\
                 \x20acl shop hdr(host) shop.example.com\n {rules}"
            );
            assert_eq!(!exposed(&lines).contains(&"/metrics"), is_hidden, "{rules}");
        }
        check("http-request deny if metrics", true);
        check("http-request deny if metrics !internal", true);
        check("http-request deny if metrics internal", false);
        check("http-request deny unless internal", true);
        check("http-request deny unless internal or metrics", false);
        check("http-request deny if internal || metrics", true);
        check("http-request deny if ! metrics", false);
        check("http-request deny if !{ path /metrics }", false);
        check("http-request deny if metrics shop", false);
        check("http-request auth unless { http_auth(staff) }", true);
        check("http-request deny if { path -f /etc/paths }", false);
        check("http-request deny if { path_reg ^/(?!api) }", false);
        check("http-request deny if TRUE", true);
        // Redirects for clients without TLS.
        check(
            "http-request redirect scheme https unless { ssl_fc }",
            false,
        );
        check("http-request redirect scheme https if !{ ssl_fc }", false);
        check("redirect scheme https unless { ssl_fc }", false);
        check("http-request redirect scheme https", true);
        check("redirect location / if metrics", true);
        // The first rule that applies.
        check("http-request allow if metrics\n http-request deny", false);
        check("http-request allow if internal\n http-request deny", true);
        check("http-request allow if shop\n http-request deny", false);
    }
}
