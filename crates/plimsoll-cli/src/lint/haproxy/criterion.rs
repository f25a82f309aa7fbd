//! A test of HAProxy, such as `path_beg -i /a`, evaluated for each reserved path.
//!
//! A sample that is not known here, or that the client chooses, has the result `None`.
//! So a rule that depends on it hides no path.

use crate::lint::{
    network,
    pattern::{self, Target},
    rules,
};

/// The result of a test for each reserved path.
#[derive(Debug)]
pub(super) struct Criterion(Vec<(&'static str, Option<bool>)>);

/// The flags and patterns after a sample.
#[derive(Debug, Default)]
struct Patterns<'words> {
    /// The name after `-m`.
    method: Option<&'words str>,
    is_insensitive: bool,
    /// Whether a file has further patterns.
    has_file: bool,
    texts: &'words [String],
}

impl Criterion {
    /// Reads a test, such as `path_beg -i /a /b`.
    pub(super) fn read(words: &[String]) -> Self {
        let Some((sample, words)) = words.split_first() else {
            return Self::constant(None);
        };
        let patterns = Patterns::read(words);
        let end = sample.find(['(', ',']).unwrap_or(sample.len());
        let (name, rest) = sample.split_at(end);
        match name {
            "always_true" if words.is_empty() => Self::constant(Some(true)),
            "always_false" if words.is_empty() => Self::constant(Some(false)),
            _ if is_privilege(name, rest, &patterns) => Self::constant(Some(false)),
            _ => match target(name) {
                Some((target, method)) if keeps_path(rest) => patterns.criterion(target, method),
                _ => Self::constant(None),
            },
        }
    }

    /// Returns the test of an `acl` before its first line.
    pub(super) fn never() -> Self {
        Self::constant(Some(false))
    }

    /// Adds an alternative.
    pub(super) fn or(&mut self, other: &Self) {
        for (path, result) in &mut self.0 {
            *result = any([*result, other.holds(path)]);
        }
    }

    pub(super) fn holds(&self, path: &str) -> Option<bool> {
        self.0.iter().find(|(known, _)| *known == path)?.1
    }

    fn constant(result: Option<bool>) -> Self {
        Self::of(|_| result)
    }

    fn of(result: impl Fn(&str) -> Option<bool>) -> Self {
        let paths = rules::reserved().into_iter();
        Self(paths.map(|path| (path, result(path))).collect())
    }
}

/// Returns the part of the request that a sample is, and the method in its name.
fn target(name: &str) -> Option<(Target, &str)> {
    let (sample, method) = name.split_once('_').unwrap_or((name, ""));
    // `url_param`, `url_ip` and `url_port` are other samples.
    let methods = ["", "beg", "dir", "dom", "end", "len", "reg", "sub"];
    match sample {
        "path" if methods.contains(&method) => Some((Target::Path, method)),
        "url" if methods.contains(&method) => Some((Target::Url, method)),
        "pathq" if method.is_empty() => Some((Target::PathAndQuery, method)),
        _ => None,
    }
}

/// Whether a reserved path is the same after converters: it is in lower case and has no escapes.
fn keeps_path(converters: &str) -> bool {
    let mut converters = converters.split(',');
    converters.next() == Some("") && converters.all(|it| matches!(it, "lower" | "url_dec"))
}

/// Whether only clients with an address, a password or a certificate fulfil a test.
///
/// `rest` has the arguments and converters of the sample.
fn is_privilege(name: &str, rest: &str, patterns: &Patterns<'_>) -> bool {
    match name {
        "src" => {
            // Other converters make an address of another client, or no address, of it.
            let mask = rest.strip_prefix(",ipmask(");
            let mask = mask.and_then(|mask| mask.strip_suffix(')'));
            let is_network = rest.is_empty() || mask.is_some_and(network::is_long);
            let mut networks = patterns.texts.iter();
            is_network && patterns.method.is_none() && networks.all(|it| network::is_narrow(it))
        }
        // Converters and patterns can make a true result of a false one.
        "http_auth" => rest.ends_with(')') && !rest.contains("),") && patterns.is_empty(),
        "http_auth_group" => true,
        "ssl_c_used" => rest.is_empty() && patterns.is_empty(),
        // They are 0 without a certificate.
        "ssl_c_ca_err" | "ssl_c_ca_err_depth" | "ssl_c_err" | "ssl_c_verify" => false,
        _ => name.starts_with("ssl_c_"),
    }
}

/// Whether a pattern may have a variable. In quotes, `$NAME` is one too, and `$` ends an expression.
fn has_variable(pattern: &str, method: &str) -> bool {
    let mut parts = pattern.split('$').skip(1);
    parts.any(|name| {
        let begins_name = |first: char| first.is_ascii_alphabetic() || "{_".contains(first);
        method != "reg" || name.starts_with(begins_name)
    })
}

impl<'words> Patterns<'words> {
    fn read(mut words: &'words [String]) -> Self {
        let mut read = Self::default();
        while let [flag, rest @ ..] = words
            && flag.starts_with('-')
        {
            let with_argument = rest.get(1..).unwrap_or_default();
            words = rest;
            match flag.as_str() {
                "--" => break,
                "-i" => read.is_insensitive = true,
                "-m" => {
                    read.method = rest.first().map(String::as_str);
                    words = with_argument;
                }
                "-f" => {
                    read.has_file = true;
                    words = with_argument;
                }
                "-u" => words = with_argument,
                _ => {}
            }
        }
        read.texts = words;
        read
    }

    fn is_empty(&self) -> bool {
        self.method.is_none() && !self.has_file && self.texts.is_empty()
    }

    /// Returns the test that a part of the request matches one of the patterns.
    fn criterion(&self, target: Target, method: &str) -> Criterion {
        let method = self.method.unwrap_or(method);
        if method == "found" {
            return Criterion::constant(Some(true));
        }
        let mut criterion = Criterion::constant(Some(false).filter(|_| !self.has_file));
        for text in self.texts {
            criterion.or(&self.matched(target, method, text));
        }
        criterion
    }

    fn matched(&self, target: Target, method: &str, pattern: &str) -> Criterion {
        // The client chooses the rest of another target than the path.
        let otherwise = Some(false).filter(|_| target == Target::Path);
        if has_variable(pattern, method) {
            return Criterion::constant(None);
        }
        if method == "reg" {
            let matched = pattern::matched(pattern, self.is_insensitive, target);
            return Criterion::of(|path| match matched.as_ref()?.contains(&path) {
                true => Some(true),
                false => otherwise,
            });
        }
        let pattern = match self.is_insensitive {
            true => pattern.to_ascii_lowercase(),
            false => pattern.to_owned(),
        };
        let folder = format!("/{}/", pattern.trim_matches('/'));
        let is_match: &dyn Fn(&String) -> bool = match method {
            "" | "str" => &|text| *text == pattern,
            "beg" => &|text| text.starts_with(&pattern),
            "end" => &|text| text.ends_with(&pattern),
            "sub" => &|text| text.contains(&pattern),
            "dir" => &|text| format!("{text}/").replace('?', "/").contains(&folder),
            _ => return Criterion::constant(None),
        };
        let is_from_start = matches!(method, "" | "str" | "beg") && pattern.starts_with('/');
        Criterion::of(|path| {
            let is_other = !path.starts_with(&pattern) && !pattern.starts_with(path);
            match target.texts(path).iter().all(is_match) {
                true => Some(true),
                false if is_from_start && is_other => Some(false),
                false => otherwise,
            }
        })
    }
}

/// Whether all of some results are true.
pub(super) fn all(results: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
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
pub(super) fn any(results: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let not = |result: Option<bool>| result.map(|it| !it);
    not(all(results.into_iter().map(not)))
}
