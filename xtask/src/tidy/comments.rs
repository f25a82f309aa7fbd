//! The prose in comments of Rust, shell, Python, YAML, TOML and Dockerfiles.

use super::text::{self, Prose};
use crate::{
    files::File,
    lexer::{self, CommentKind},
};

/// The languages whose comments are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    /// `#` begins a comment.
    Hash,
}

impl Language {
    pub(crate) fn of(file: &File) -> Option<Self> {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        match extension {
            "rs" => Some(Self::Rust),
            "sh" | "py" | "yml" | "yaml" | "toml" => Some(Self::Hash),
            _ if name == "Dockerfile" || file.text.starts_with("#!") => Some(Self::Hash),
            _ => None,
        }
    }
}

/// Returns the prose in the comments of a file.
pub(crate) fn prose(file: &File, language: Language) -> Prose {
    match language {
        Language::Rust => of_rust(&file.text),
        Language::Hash => of_hash(&file.text),
    }
}

fn of_rust(source: &str) -> Prose {
    let comments = lexer::split(source).comments;
    let mut prose = Prose::default();
    // A fence in one doc comment does not reach into the next.
    let groups = comments.chunk_by(|a, b| b.line == a.line + 1 && b.kind == a.kind);
    for group in groups {
        let lines = group.iter().map(|it| (it.line, it.text.as_str()));
        let mut part = text::prose(lines);
        if group[0].kind == CommentKind::Plain {
            // `//` comments are no Markdown.
            part.blocks
                .retain(|block| block.kind != text::Kind::Heading);
        }
        prose.lines += part.lines;
        prose.blocks.append(&mut part.blocks);
    }
    prose
}

fn of_hash(source: &str) -> Prose {
    let comments: Vec<(usize, &str)> = (1..)
        .zip(source.lines())
        .filter_map(|(number, line)| Some((number, hash_comment(line)?)))
        .collect();
    let mut prose = Prose::default();
    for group in comments.chunk_by(|a, b| b.0 == a.0 + 1) {
        let mut part = text::prose(group.iter().copied());
        prose.lines += part.lines;
        prose.blocks.append(&mut part.blocks);
    }
    prose
}

/// Returns the comment of a line: at its beginning, or after white space and outside of quotes.
fn hash_comment(line: &str) -> Option<&str> {
    if line.starts_with("#!") {
        return None;
    }
    let mut quote = None;
    let mut is_after_space = true;
    for (at, c) in line.char_indices() {
        match quote {
            None if c == '#' && is_after_space => {
                return Some(line[at..].trim_start_matches('#'));
            }
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
        is_after_space = c.is_whitespace();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doc_comments_are_read_as_markdown() {
        let source = "//! # Title\n//!\n//! ```\n//! code\n//! ```\n\n/// Text\n/// goes on.\n// # no title\nfn f() {} // end\n";
        let prose = of_rust(source);
        assert_eq!(prose.lines, 5);
        let blocks: Vec<_> = prose
            .blocks
            .iter()
            .map(|it| (it.kind, it.lines.len()))
            .collect();
        assert_eq!(
            blocks,
            [
                (text::Kind::Heading, 1),
                (text::Kind::Paragraph, 2),
                (text::Kind::Paragraph, 1)
            ]
        );
    }

    #[test]
    fn hash_comments_are_outside_of_quotes() {
        assert_eq!(hash_comment("a: b # c"), Some(" c"));
        assert_eq!(hash_comment("## c"), Some(" c"));
        assert_eq!(hash_comment("x '# no' \"#no\" a#b"), None);
        assert_eq!(hash_comment("#!/bin/sh"), None);
    }
}
