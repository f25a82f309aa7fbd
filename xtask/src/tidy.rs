//! The command `tidy`: checks that no lint covers, for files, prose and imports.
//!
//! `tidy [PATH…]` fails with every finding, for paths that begin with one of the arguments if there are
//! any. It prints the count of each kind.

mod comments;
mod documents;
mod layers;
mod rust_files;
pub(crate) mod text;
pub(crate) mod words;

use std::collections::BTreeMap;

use self::text::{Prose, Words};
use crate::files::{self, File};

/// One kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Check {
    Header,
    Unfinished,
    Length,
    Layers,
    TestNames,
    Headings,
    Sentences,
    CommentWords,
    DocumentWords,
}

/// All checks, in the order of the summary.
const ALL: [Check; 9] = [
    Check::Header,
    Check::Unfinished,
    Check::Length,
    Check::Layers,
    Check::TestNames,
    Check::Headings,
    Check::Sentences,
    Check::CommentWords,
    Check::DocumentWords,
];

#[derive(Debug)]
struct Finding {
    check: Check,
    path: String,
    line: usize,
    text: String,
}

/// The findings, and the lines of prose that were read.
#[derive(Debug, Default)]
struct Findings {
    found: Vec<Finding>,
    comment_lines: usize,
    document_lines: usize,
}

/// Runs the command. Returns the findings.
pub(crate) fn run(prefixes: &[&str]) -> Vec<String> {
    let files = match files::all() {
        Ok(files) => files,
        Err(error) => return vec![error.to_string()],
    };
    let is_chosen =
        |path: &str| prefixes.is_empty() || prefixes.iter().any(|prefix| path.starts_with(prefix));
    let findings = check(&files, is_chosen);
    print!("{}", findings.summary());
    findings.found.iter().map(Finding::line).collect()
}

fn check(files: &[File], is_chosen: impl Fn(&str) -> bool) -> Findings {
    let mut findings = Findings::default();
    for file in files.iter().filter(|file| is_chosen(&file.path)) {
        if file.path.ends_with(".rs") {
            findings.add(Check::Header, file, rust_files::header(file));
            findings.add(Check::Unfinished, file, rust_files::unfinished(file));
            findings.add(Check::Length, file, rust_files::length(file));
            findings.add(Check::TestNames, file, rust_files::test_names(file));
        }
        if documents::is_document(&file.path) {
            let prose = text::prose((1..).zip(file.text.lines()));
            findings.document_lines += prose.lines;
            for block in &prose.blocks {
                findings.add(Check::Headings, file, documents::heading(block));
                findings.add(Check::Sentences, file, documents::long_sentences(block));
            }
            findings.add(Check::DocumentWords, file, banned(&prose, false));
        }
        if let Some(language) = comments::Language::of(file) {
            let prose = comments::prose(file, language);
            findings.comment_lines += prose.lines;
            for block in &prose.blocks {
                findings.add(Check::Headings, file, documents::heading(block));
            }
            findings.add(Check::CommentWords, file, banned(&prose, true));
        }
    }
    let layers = layers::check(files).into_iter();
    let layers = layers.filter(|(path, ..)| is_chosen(path));
    findings
        .found
        .extend(layers.map(|(path, line, text)| Finding {
            check: Check::Layers,
            path,
            line,
            text,
        }));
    findings
}

/// Returns the banned words in prose, each with its line.
fn banned(prose: &Prose, is_comment: bool) -> Vec<(usize, String)> {
    let blocks = prose.blocks.iter();
    blocks
        .flat_map(|block| words::find(&Words::of(&block.lines), is_comment))
        .map(|hit| (hit.line, format!("{}: use {}", hit.word, hit.instead)))
        .collect()
}

impl Findings {
    fn add(&mut self, check: Check, file: &File, found: impl IntoIterator<Item = (usize, String)>) {
        let found = found.into_iter().map(|(line, text)| Finding {
            check,
            path: file.path.clone(),
            line,
            text,
        });
        self.found.extend(found);
    }

    /// Returns the number of findings of each check, and the rates of banned words.
    fn summary(&self) -> String {
        let mut counts: BTreeMap<Check, usize> = BTreeMap::new();
        for finding in &self.found {
            *counts.entry(finding.check).or_default() += 1;
        }
        let mut summary = String::new();
        for check in ALL {
            let count = counts.get(&check).copied().unwrap_or_default();
            let rate = match check {
                Check::CommentWords => rate(count, self.comment_lines, "comment"),
                Check::DocumentWords => rate(count, self.document_lines, "document"),
                _ => String::new(),
            };
            summary.push_str(&format!("{count:>6} {check:?}{rate}\n"));
        }
        summary
    }
}

/// Returns findings per 100 lines. Hundredths are computed in integers.
fn rate(count: usize, lines: usize, kind: &str) -> String {
    let hundredths = (count * 10_000).checked_div(lines).unwrap_or_default();
    let (whole, part) = (hundredths / 100, hundredths % 100);
    format!(": {whole}.{part:02} per 100 of {lines} {kind} lines")
}

impl Finding {
    fn line(&self) -> String {
        format!("{}:{}: {}", self.path, self.line, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn findings_have_path_line_and_advice() {
        let files = [
            file("a.rs", "//! A.\n\n// Nobody\nfn a() {}\n"),
            file("b.md", "# B\n\nWhoever reads.\n"),
            file("c.sh", "#!/bin/sh\nx # told\n"),
        ];
        let findings = check(&files, |_| true);
        let lines: Vec<_> = findings.found.iter().map(Finding::line).collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("a.rs:3: nobody: use "), "{lines:?}");
        assert!(lines[1].starts_with("b.md:3: whoever: use "), "{lines:?}");
        assert!(lines[2].starts_with("c.sh:2: told: use "), "{lines:?}");
        assert_eq!((findings.comment_lines, findings.document_lines), (3, 2));
    }

    #[test]
    fn banned_word_in_a_heading_is_reported_once() {
        let [first, second] = [0, 1].map(|index: usize| words::BANNED[index].forms[0]);
        let heading = format!("# {first} {second}\n");
        let findings = check(&[file("a.md", &heading)], |_| true);
        let lines: Vec<_> = findings.found.iter().map(Finding::line).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        for (line, word) in lines.iter().zip([first, second]) {
            assert!(line.starts_with(&format!("a.md:1: {word}: use ")), "{line}");
        }
    }

    #[test]
    fn only_chosen_paths_are_checked() {
        let files = [file("a.rs", "fn a() {}\n"), file("b.rs", "fn b() {}\n")];
        let findings = check(&files, |path| path.starts_with('b'));
        assert_eq!(findings.found.len(), 1);
        assert_eq!(findings.found[0].path, "b.rs");
    }

    #[test]
    fn summary_has_rates() {
        assert_eq!(rate(1, 3, "comment"), ": 33.33 per 100 of 3 comment lines");
        assert_eq!(rate(0, 0, "comment"), ": 0.00 per 100 of 0 comment lines");
    }
}
