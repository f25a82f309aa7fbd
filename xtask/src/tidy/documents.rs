//! The style of headings, and the length of sentences.

use super::text::{Block, Kind, Words};

/// The most words of a sentence.
const MAX_WORDS: usize = 25;

/// Words that begin a clause, not a noun phrase. `words::BANNED` contains more of them.
const FIRST_WORDS: [&str; 7] = ["what", "whatever", "where", "when", "how", "why", "if"];

/// Finite verbs, which make a heading a sentence.
const VERBS: [&str; 17] = [
    "is", "are", "was", "were", "isn't", "has", "have", "had", "does", "do", "did", "can",
    "cannot", "must", "may", "will", "should",
];

/// Generated documents. Their text is in the code.
const GENERATED: [&str; 3] = [
    "docs/settings.md",
    "docs/metrics.md",
    "docs/contract-tests.md",
];

/// Whether a file is a document that is written by hand.
pub(crate) fn is_document(path: &str) -> bool {
    path.ends_with(".md") && !GENERATED.contains(&path)
}

/// Returns what is wrong with a heading, with its line. Banned words are found in every block.
pub(crate) fn heading(block: &Block) -> Option<(usize, String)> {
    if block.kind != Kind::Heading {
        return None;
    }
    let (line, text) = block.lines.first()?;
    let words = Words::of(&block.lines);
    let fault = if let Some(first) = FIRST_WORDS
        .iter()
        .find(|it| words.positions(it).next() == Some(0))
    {
        format!("begins with {first:?}")
    } else if let Some(verb) = VERBS.iter().find(|it| words.positions(it).next().is_some()) {
        format!("contains the verb {verb:?}")
    } else {
        return None;
    };
    Some((*line, format!("{text:?} {fault}: use a noun phrase")))
}

/// Returns the sentences of a block that are too long, each with its line.
pub(crate) fn long_sentences(block: &Block) -> Vec<(usize, String)> {
    if block.kind == Kind::Heading {
        return Vec::new();
    }
    let is_cell = block.kind == Kind::Cell;
    let mut found = Vec::new();
    let mut sentence: Vec<&str> = Vec::new();
    let mut began = 0;
    for (line, text) in &block.lines {
        for word in text.split_whitespace() {
            if sentence.is_empty() {
                began = *line;
            }
            if word.contains(char::is_alphanumeric) || word.contains('_') {
                sentence.push(word);
            }
            if ends_sentence(word, is_cell) {
                found.extend(too_long(began, &sentence));
                sentence.clear();
            }
        }
    }
    found.extend(too_long(began, &sentence));
    found
}

fn ends_sentence(word: &str, is_cell: bool) -> bool {
    let word = word.trim_end_matches([')', '"', '”', '*']);
    let is_abbreviation = matches!(word, "e.g." | "i.e.");
    (word.ends_with(['.', '!', '?']) && !is_abbreviation) || (is_cell && word.ends_with(';'))
}

fn too_long(line: usize, sentence: &[&str]) -> Option<(usize, String)> {
    let count = sentence.len();
    (count > MAX_WORDS).then(|| {
        let beginning = sentence[..6].join(" ");
        let text = format!("\"{beginning} …\" has {count} words: use {MAX_WORDS} at most");
        (line, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::text::prose;

    fn blocks(text: &str) -> Vec<Block> {
        prose((1..).zip(text.lines())).blocks
    }

    #[track_caller]
    fn check_heading(text: &str, expected: &str) {
        let fault = heading(&blocks(&format!("## {text}"))[0]).map(|(_, fault)| fault);
        let fault = fault.unwrap_or_default();
        assert_eq!(fault.is_empty(), expected.is_empty(), "{fault}");
        assert!(fault.contains(expected), "{fault}");
    }

    #[test]
    fn headings_are_noun_phrases() {
        check_heading("Overload", "");
        check_heading("HTTP: endpoints", "");
        check_heading("What it costs", "begins with \"what\"");
        check_heading("Settings are defined once", "verb \"are\"");
    }

    #[test]
    fn sentences_have_25_words_at_most() {
        let words = |count: usize| vec!["word"; count].join(" ");
        let long = |text: &str| long_sentences(&blocks(text)[0]).len();
        assert_eq!(long(&format!("{}.\n{}.", words(25), words(25))), 0);
        assert_eq!(long(&words(26)), 1);
        assert_eq!(long(&format!("{}\n{}", words(13), words(13))), 1);
        assert_eq!(long(&format!("| {}; {} |", words(20), words(20))), 0);
        assert_eq!(long(&format!("{}; {}", words(20), words(20))), 1);
    }

    #[test]
    fn generated_documents_are_not_checked() {
        assert!(is_document("docs/contract.md"));
        assert!(!is_document("docs/metrics.md"));
        assert!(!is_document("src/lib.rs"));
    }
}
