//! A tolerant parser of HAProxy's configuration: sections with their lines, split into words.

use std::collections::HashMap;

use crate::place::Place;

const SECTIONS: [&str; 4] = ["frontend", "backend", "listen", "defaults"];

/// The most words of a line; HAProxy rejects more than 64. A line of `defaults` is searched for each backend.
const MAX_WORDS: usize = 256;

/// Whether a text is a configuration of HAProxy.
pub(crate) fn is_configuration(text: &str) -> bool {
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let sections = text
        .lines()
        .filter(|line| !line.starts_with([' ', '\t']))
        .filter_map(first);
    sections
        .filter(|word| SECTIONS.contains(&word.as_str()))
        .count()
        >= 2
}

/// A line of the configuration.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) words: Vec<String>,
    pub(super) place: Place,
}

impl Line {
    pub(super) fn starts_with(&self, words: &[&str]) -> bool {
        self.words.len() >= words.len() && self.words.iter().zip(words).all(|(a, b)| a == b)
    }

    /// Returns the word after another one.
    pub(super) fn after(&self, word: &str) -> Option<&str> {
        let at = self.words.iter().position(|it| it == word)?;
        self.words.get(at + 1).map(String::as_str)
    }
}

/// A section, such as `backend service`.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) lines: Vec<Line>,
    /// The last line by its first word, and by its first two.
    last: HashMap<String, usize>,
    /// The index of the section `defaults` that applies.
    pub(super) defaults: Option<usize>,
}

impl Section {
    /// Returns the last line that begins with one word, or with two.
    pub(super) fn last(&self, words: &str) -> Option<&Line> {
        self.lines.get(*self.last.get(words)?)
    }
}

/// The sections of a file.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(super) sections: Vec<Section>,
}

/// Parses a file. Every text is accepted: a line of another program has no effect.
pub(crate) fn parse(text: &str, file: &str) -> Configuration {
    let place = Place::new(file, 1);
    let mut sections: Vec<Section> = Vec::new();
    let mut defaults = None;
    for (index, line) in text.lines().enumerate() {
        let words = words(line);
        let Some(first) = words.first() else {
            continue;
        };
        let is_section = SECTIONS.contains(&first.as_str()) || first == "global";
        if is_section && !line.starts_with([' ', '\t']) {
            if first == "defaults" {
                defaults = Some(sections.len());
            }
            sections.push(Section {
                kind: first.clone(),
                name: words.get(1).cloned().unwrap_or_default(),
                lines: Vec::new(),
                last: HashMap::new(),
                defaults,
            });
        } else if let Some(section) = sections.last_mut() {
            let at = section.lines.len();
            section.last.insert(first.clone(), at);
            if let Some(second) = words.get(1) {
                section.last.insert(format!("{first} {second}"), at);
            }
            let place = place.at(index + 1);
            section.lines.push(Line { words, place });
        }
    }
    Configuration { sections }
}

/// Splits a line into words, up to a comment.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let word = words.len() - 1;
        match (quote, c) {
            (None, '#') => break,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            // Other escapes are those of regular expressions.
            (None | Some('"'), '\\') => match chars.next() {
                Some(c @ (' ' | '#' | '\\' | '"' | '\'')) => words[word].push(c),
                other => words[word].extend(['\\'].into_iter().chain(other)),
            },
            (None, c) if c.is_whitespace() => words.push(String::new()),
            (_, c) => words[word].push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words.truncate(MAX_WORDS);
    words
}
