//! Splits Rust source into code and comments.
//!
//! It knows comments, strings, raw strings, characters and lifetimes, and nothing else of the language.

use std::iter;

/// A line comment, or one line of a block comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comment {
    /// Line number, from 1.
    pub(crate) line: usize,
    pub(crate) kind: CommentKind,
    /// Its text without the marker.
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommentKind {
    /// `//` and `/* */`.
    Plain,
    /// `///`.
    Outer,
    /// `//!`.
    Inner,
}

/// Source in two parts.
#[derive(Debug)]
pub(crate) struct Source {
    /// The source with spaces in place of comments and of the contents of strings.
    /// Line breaks stay, so that line numbers hold.
    pub(crate) code: String,
    pub(crate) comments: Vec<Comment>,
}

/// Splits a source file.
pub(crate) fn split(source: &str) -> Source {
    let mut lexer = Lexer {
        rest: source,
        line: 1,
        code: String::with_capacity(source.len()),
        comments: Vec::new(),
    };
    while let Some(first) = lexer.rest.chars().next() {
        lexer.step(first);
    }
    Source {
        code: lexer.code,
        comments: lexer.comments,
    }
}

struct Lexer<'s> {
    rest: &'s str,
    line: usize,
    code: String,
    comments: Vec<Comment>,
}

impl Lexer<'_> {
    fn step(&mut self, first: char) {
        if self.rest.starts_with("//") {
            self.line_comment();
        } else if self.rest.starts_with("/*") {
            self.block_comment();
        } else if first == '"' {
            self.keep(1);
            self.blank_string();
        } else if first == '\'' {
            self.character_or_lifetime();
        } else if is_word(first) {
            self.word();
        } else {
            self.keep(first.len_utf8());
        }
    }

    fn line_comment(&mut self) {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let text = &self.rest[2..end];
        let (kind, text) = match text.as_bytes() {
            [b'/', b'/', ..] => (CommentKind::Plain, text),
            [b'/', ..] => (CommentKind::Outer, &text[1..]),
            [b'!', ..] => (CommentKind::Inner, &text[1..]),
            _ => (CommentKind::Plain, text),
        };
        self.comments.push(Comment {
            line: self.line,
            kind,
            text: text.to_owned(),
        });
        self.blank(end);
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        let mut end = 0;
        while end < self.rest.len() {
            let rest = &self.rest[end..];
            if rest.starts_with("/*") {
                depth += 1;
                end += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                end += 2;
                if depth == 0 {
                    break;
                }
            } else {
                end += rest.chars().next().map_or(1, char::len_utf8);
            }
        }
        let lines = self.rest[..end].lines();
        let comments = (self.line..).zip(lines).map(|(line, text)| Comment {
            line,
            kind: CommentKind::Plain,
            text: text.trim_matches(['/', '*']).to_owned(),
        });
        self.comments.extend(comments);
        self.blank(end);
    }

    /// Reads an identifier or a number, and the string that has it as a prefix.
    fn word(&mut self) {
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        let is_prefix = matches!(word, "b" | "r" | "br" | "c" | "cr");
        let is_raw = is_prefix && word.ends_with('r');
        self.keep(end);
        let hashes = self.rest.len() - self.rest.trim_start_matches('#').len();
        if is_raw && self.rest[hashes..].starts_with('"') {
            self.keep(hashes + 1);
            let close: String = iter::once('"').chain(iter::repeat_n('#', hashes)).collect();
            let length = self.rest.find(&close).unwrap_or(self.rest.len());
            self.blank(length);
            self.keep(close.len().min(self.rest.len()));
        } else if is_prefix && self.rest.starts_with('"') {
            self.keep(1);
            self.blank_string();
        }
    }

    /// Blanks a string up to its closing quote, and keeps the quote.
    fn blank_string(&mut self) {
        let mut is_escaped = false;
        let end = self.rest.find(|c| {
            let is_end = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        });
        self.blank(end.unwrap_or(self.rest.len()));
        self.keep(1.min(self.rest.len()));
    }

    fn character_or_lifetime(&mut self) {
        let mut characters = self.rest.char_indices().skip(1);
        let (_, first) = characters.next().unwrap_or((1, ' '));
        let closing = if first == '\\' {
            self.rest[3.min(self.rest.len())..]
                .find('\'')
                .map(|at| at + 3)
        } else {
            characters
                .next()
                .filter(|(_, c)| *c == '\'')
                .map(|(at, _)| at)
        };
        self.keep(1);
        if let Some(closing) = closing {
            self.blank(closing - 1);
            self.keep(1);
        }
    }

    fn keep(&mut self, length: usize) {
        let (kept, rest) = self.rest.split_at(length);
        self.line += kept.matches('\n').count();
        self.code.push_str(kept);
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (blanked, rest) = self.rest.split_at(length);
        self.line += blanked.matches('\n').count();
        let spaces = blanked.chars().map(|c| if c == '\n' { c } else { ' ' });
        self.code.extend(spaces);
        self.rest = rest;
    }
}

/// Whether a character is part of an identifier or a number.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, code: &str, comments: &[(usize, &str)]) {
        let split = split(source);
        assert_eq!(split.code, code);
        let found: Vec<_> = split
            .comments
            .iter()
            .map(|comment| (comment.line, comment.text.as_str()))
            .collect();
        assert_eq!(found, comments);
    }

    #[test]
    fn comments_are_separated_from_code() {
        check("a // b\nc", "a     \nc", &[(1, " b")]);
        check(
            "a /* b\n/* c */ */ d",
            "a     \n           d",
            &[(1, " b"), (2, " c */ ")],
        );
        check("//// x", "      ", &[(1, "// x")]);
    }

    #[test]
    fn strings_contain_no_comments() {
        check(r#"a("// b")"#, r#"a("    ")"#, &[]);
        check(r#"("\"//")"#, r#"("    ")"#, &[]);
        check("r#\"\"//\"# // c", "r#\"   \"#     ", &[(1, " c")]);
        check("b\"//\" br\"\\\" x", "b\"  \" br\" \" x", &[]);
    }

    #[test]
    fn characters_differ_from_lifetimes() {
        check("'\"' // a", "' '     ", &[(1, " a")]);
        check("'\\'' '\\u{1b}' 'é' x", "'  ' '      ' ' ' x", &[]);
        check("&'a str // b", "&'a str     ", &[(1, " b")]);
        check("'a: loop {}", "'a: loop {}", &[]);
    }

    #[test]
    fn doc_comments_have_their_kind() {
        let source = split("//! a\n/// b\n// c\n");
        let kinds: Vec<_> = source.comments.iter().map(|comment| comment.kind).collect();
        assert_eq!(
            kinds,
            [CommentKind::Inner, CommentKind::Outer, CommentKind::Plain]
        );
    }
}
