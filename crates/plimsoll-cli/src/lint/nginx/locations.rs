//! The location that nginx chooses for a path, and the paths that a block answers itself.

use super::Directive;
use crate::lint::{
    pattern::{self, Target},
    rules,
};

/// Returns the reserved paths that a block answers itself, by `return` or by `if` with a pattern of the path.
pub(super) fn answered(block: &[Directive]) -> Vec<&'static str> {
    let mut answered = Vec::new();
    for directive in block {
        match directive.name.as_str() {
            "return" => return rules::reserved(),
            "if" => {
                let inner = answered_inside(directive);
                answered.extend(inner.unwrap_or_default());
            }
            _ => {}
        }
    }
    answered
}

/// Returns the reserved paths that an `if` such as `($uri ~ ^/metrics)` answers. `None` for other conditions.
fn answered_inside(directive: &Directive) -> Option<Vec<&'static str>> {
    let (variable, operator, text) = match directive.words.as_slice() {
        [variable, operator, text] => (variable, operator, text.strip_suffix(')').unwrap_or(text)),
        // The pattern is in quotes.
        [variable, operator, text, end] if end == ")" => (variable, operator, text.as_str()),
        _ => return None,
    };
    let target = match variable.as_str() {
        "($uri" | "($document_uri" => Target::Path,
        "($request_uri" => Target::PathAndQuery,
        _ => return None,
    };
    let is_negated = operator.starts_with('!');
    if is_negated && target != Target::Path {
        // The client can add a query that matches.
        return None;
    }
    let mut answered = answered(&directive.block);
    let is_equal = |path: &&str| target.texts(path).iter().all(|it| it == text);
    let matched = match operator.trim_start_matches('!') {
        "=" => answered.iter().copied().filter(is_equal).collect(),
        "~" => pattern::matched(text, false, target)?,
        "~*" => pattern::matched(text, true, target)?,
        _ => return None,
    };
    answered.retain(|path| matched.contains(path) != is_negated);
    Some(answered)
}

/// The locations of a block with the paths that they match.
pub(super) struct Patterns<'conf>(Vec<Pattern<'conf>>);

struct Pattern<'conf> {
    location: &'conf Directive,
    modifier: &'conf str,
    text: &'conf str,
    /// The reserved paths that a regular expression matches. `None`: it cannot be evaluated.
    matched: Option<Vec<&'static str>>,
    inner: Patterns<'conf>,
}

impl<'conf> Patterns<'conf> {
    pub(super) fn of(block: &'conf [Directive]) -> Self {
        let locations = block.iter().filter(|it| it.name == "location");
        let patterns = locations.map(|location| {
            let (modifier, text) = match location.words.as_slice() {
                [modifier, text, ..] => (modifier.as_str(), text.as_str()),
                [text] => ("", text.as_str()),
                [] => ("", "/"),
            };
            let matched = match modifier {
                "~" => pattern::matched(text, false, Target::Path),
                "~*" => pattern::matched(text, true, Target::Path),
                _ => Some(Vec::new()),
            };
            Pattern {
                location,
                modifier,
                text,
                matched,
                inner: Self::of(&location.block),
            }
        });
        Self(patterns.collect())
    }

    /// Returns the location that nginx chooses for a path, and those that it chooses if their pattern matches.
    pub(super) fn owners(&self, path: &str) -> Vec<&'conf Directive> {
        let mut owners = Vec::new();
        let (owner, _) = self.owner(path, &mut owners);
        owners.extend(owner);
        owners
    }

    /// Returns the location for a path, and whether regular expressions around it are tried.
    ///
    /// Locations before it whose pattern cannot be evaluated are added to others.
    pub(super) fn owner(
        &self,
        path: &str,
        others: &mut Vec<&'conf Directive>,
    ) -> (Option<&'conf Directive>, bool) {
        if let Some(exact) = self
            .0
            .iter()
            .find(|it| it.modifier == "=" && it.text == path)
        {
            return (Some(exact.location), false);
        }
        let is_prefix =
            |it: &&Pattern<'_>| matches!(it.modifier, "" | "^~") && path.starts_with(it.text);
        let prefixes = self.0.iter().filter(is_prefix);
        let mut found = None;
        if let Some(prefix) = prefixes.max_by_key(|it| it.text.len()) {
            let (inner, continues) = prefix.inner.owner(path, others);
            found = inner.or(Some(prefix.location));
            if !continues {
                return (found, false);
            }
            if prefix.modifier == "^~" {
                return (found, true);
            }
        }
        for regex in &self.0 {
            match &regex.matched {
                Some(paths) if paths.contains(&path) => {
                    let (inner, _) = regex.inner.owner(path, others);
                    return (inner.or(Some(regex.location)), false);
                }
                Some(_) => {}
                None => others.push(regex.location),
            }
        }
        (found, true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Folder, parse};

    /// Returns the paths that a server passes on.
    fn exposed(server: &str) -> Vec<&'static str> {
        let mut folder = Folder::default();
        folder.add(parse(&format!("server {{ {server} }}"), "a.conf").unwrap());
        let proxies = folder.proxies();
        proxies.into_iter().flat_map(|it| it.exposed).collect()
    }

    #[test]
    fn location_is_chosen_as_nginx_does() {
        const PASS: &str = "{ proxy_pass http://a:1; }";
        const NONE: &str = "{ return 404; }";
        #[track_caller]
        fn check(server: &str, is_passed: bool) {
            assert_eq!(exposed(server).contains(&"/metrics"), is_passed, "{server}");
        }
        let root = format!("location / {PASS}");
        check(&root, true);
        check(&format!("{root} location ~ ^/metrics {NONE}"), false);
        check(&format!("{root} location ~ ^/METRICS {NONE}"), true);
        check(&format!("{root} location ~* ^/METRICS {NONE}"), false);
        check(&format!("{root} location ~ ^/api/metrics$ {NONE}"), true);
        check(&format!("{root} location ~ \"^/m\\w+s\" {NONE}"), false);
        check(&format!("{root} location ~ \\.php$ {NONE}"), true);
        // A pattern that cannot be evaluated is no reason for a path to be hidden.
        check(&format!("{root} location ~ ^/(?!api) {NONE}"), true);
        check(
            &format!("location / {NONE} location ~ ^/(?!api) {PASS}"),
            true,
        );
        check(
            &format!("location / {NONE} location ~ ^/metrics {PASS}"),
            true,
        );
        check(
            &format!("location ^~ / {PASS} location ~ ^/metrics {NONE}"),
            true,
        );
        check(
            &format!("{root} location = /metrics {NONE} location ~ . {PASS}"),
            false,
        );
        let first = format!("location ~ ^/met {NONE} location ~ ^/metrics {PASS}");
        check(&format!("{root} {first}"), false);
        // Nested locations come before the regular expressions around them.
        let nested = format!("location / {{ proxy_pass http://a:1; location ~ ^/metrics {NONE} }}");
        check(&nested, false);
        check(&format!("{nested} location ~ ^/metrics {PASS}"), false);
        let nested = format!("location / {{ return 404; location /metrics {PASS} }}");
        check(&nested, true);
        check(&format!("{nested} location ~ ^/metrics {NONE}"), false);
    }

    #[test]
    fn path_that_is_answered_before_the_proxy_is_not_passed_on() {
        #[track_caller]
        fn check(rule: &str, is_passed: bool) {
            let inner = format!("location / {{ {rule} proxy_pass http://a:1; }}");
            let outer = format!("{rule} location / {{ proxy_pass http://a:1; }}");
            for server in [inner, outer] {
                assert_eq!(
                    exposed(&server).contains(&"/metrics"),
                    is_passed,
                    "{server}"
                );
            }
        }
        check("return 301 https://a$request_uri;", false);
        check("if ($uri ~ ^/metrics) { return 404; }", false);
        check("if ($uri = /metrics) { return 404; }", false);
        // A query changes what is compared.
        check("if ($request_uri = /metrics) { return 404; }", true);
        check("if ($request_uri ~ ^/metrics$) { return 404; }", true);
        check("if ($request_uri ~ ^/metrics) { return 404; }", false);
        check(
            r"if ($request_uri ~ ^/metrics(\?.+)?$) { return 404; }",
            true,
        );
        check("if ($request_uri !~ ^/api) { return 404; }", true);
        check("if ($uri !~* ^/API) { return 404; }", false);
        check("if ($uri ~ ^/(metrics|ready)$) { return 404; }", false);
        check("if ($uri ~ \"^/(metrics|ready)$\") { return 404; }", false);
        check("if ($uri ~ ^/ready) { return 404; }", true);
        check("if ($uri ~ ^/metrics) { set $a b; }", true);
        check("if ($host = a) { return 404; }", true);
    }
}
