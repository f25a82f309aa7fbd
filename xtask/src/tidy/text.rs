//! Prose in blocks: headings, paragraphs and table cells, from Markdown or from comments.
//!
//! Code blocks are left out. Inline code and the targets of links are replaced, so that neither words nor
//! sentence lengths depend on them.

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Heading,
    Paragraph,
    Cell,
}

/// A heading, a paragraph, an item of a list, or a cell of a table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    /// Its lines with their numbers.
    pub(crate) lines: Vec<(usize, String)>,
}

/// Prose, and how many lines it has.
#[derive(Debug, Default)]
pub(crate) struct Prose {
    pub(crate) blocks: Vec<Block>,
    /// Lines that are neither empty nor in a code block.
    pub(crate) lines: usize,
}

/// Reads Markdown, given as lines with their numbers.
pub(crate) fn prose<'a>(lines: impl IntoIterator<Item = (usize, &'a str)>) -> Prose {
    let mut prose = Prose::default();
    let mut fence: Option<&str> = None;
    let mut is_open = false;
    let mut is_html_comment = false;
    for (number, line) in lines {
        let text = line.trim();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| text.starts_with(mark));
        if let Some(open) = fence {
            if mark == Some(open) {
                fence = None;
            }
            continue;
        }
        if is_html_comment || text.starts_with("<!--") {
            is_html_comment = !text.contains("-->");
            continue;
        }
        if mark.is_some() {
            fence = mark;
            is_open = false;
            continue;
        }
        if text.is_empty() {
            is_open = false;
            continue;
        }
        prose.lines += 1;
        let text = without_code(text);
        let block = |kind, text: &str| Block {
            kind,
            lines: vec![(number, text.to_owned())],
        };
        if let Some(heading) = heading(&text) {
            prose.blocks.push(block(Kind::Heading, heading));
            is_open = false;
        } else if let Some(row) = text.strip_prefix('|') {
            let cells = row.trim_end_matches('|').split('|').map(str::trim);
            let cells = cells.filter(|cell| cell.contains(char::is_alphanumeric));
            prose
                .blocks
                .extend(cells.map(|cell| block(Kind::Cell, cell)));
            is_open = false;
        } else if let Some(item) = item(&text) {
            prose.blocks.push(block(Kind::Paragraph, item));
            is_open = true;
        } else if let Some(last) = prose.blocks.last_mut().filter(|_| is_open) {
            last.lines.push((number, text));
        } else {
            prose.blocks.push(block(Kind::Paragraph, &text));
            is_open = true;
        }
    }
    prose
}

fn heading(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches('#');
    let level = text.len() - rest.len();
    let heading = rest.strip_prefix(' ').map(str::trim);
    heading.filter(|_| (1..=6).contains(&level))
}

/// Returns the text of an item of a list, or of a quotation.
fn item(text: &str) -> Option<&str> {
    let marks = ["- ", "* ", "> "];
    let numbered = text.trim_start_matches(|c: char| c.is_ascii_digit());
    marks
        .into_iter()
        .find_map(|mark| text.strip_prefix(mark))
        .or_else(|| {
            let item = numbered.strip_prefix(". ");
            item.filter(|_| numbered.len() < text.len())
        })
}

/// Replaces inline code by `_`, and removes the targets of links and the escapes of bars.
fn without_code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = text.replace(r"\|", "/");
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 0 {
            out.push_str(part);
        } else {
            out.push('_');
        }
    }
    let mut parts = out.split("](");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push(']');
        text.push_str(part.split_once(')').map_or("", |(_, rest)| rest));
    }
    text
}

// === Words ===

/// The words of a block, in lower case, with their lines.
#[derive(Debug)]
pub(crate) struct Words {
    words: Vec<Word>,
}

#[derive(Debug)]
struct Word {
    text: String,
    line: usize,
    /// Whether nothing but white space is between it and the word before.
    follows: bool,
}

impl Words {
    /// Splits lines into words.
    pub(crate) fn of(lines: &[(usize, String)]) -> Self {
        let mut words = Vec::new();
        let mut follows = true;
        for (line, text) in lines {
            let mut rest = text.as_str();
            while let Some(first) = rest.chars().next() {
                let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
                if end == 0 {
                    follows &= first.is_whitespace();
                    rest = &rest[first.len_utf8()..];
                    continue;
                }
                words.push(Word {
                    text: rest[..end].to_lowercase(),
                    line: *line,
                    follows: std::mem::replace(&mut follows, true),
                });
                rest = &rest[end..];
            }
        }
        Self { words }
    }

    /// Returns the line of a word.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.words[at].line
    }

    /// Returns the positions at which a phrase begins. Its words are separated by one space each.
    pub(crate) fn positions(&self, phrase: &str) -> impl Iterator<Item = usize> {
        let parts: Vec<&str> = phrase.split(' ').collect();
        let windows = self.words.windows(parts.len()).enumerate();
        let found = windows.filter(move |(_, window)| {
            let is_equal = window
                .iter()
                .zip(&parts)
                .all(|(word, part)| word.text == *part);
            is_equal && window.iter().skip(1).all(|word| word.follows)
        });
        let found: Vec<usize> = found.map(|(at, _)| at).collect();
        found.into_iter()
    }
}

/// Apostrophes and hyphens are part of a word; an underscore makes it a name.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\'' | '’' | '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str) -> Vec<(Kind, String)> {
        let lines = (1..).zip(text.lines());
        let blocks = prose(lines).blocks.into_iter();
        blocks
            .map(|block| {
                let lines: Vec<_> = block.lines.into_iter().map(|(_, text)| text).collect();
                (block.kind, lines.join("/"))
            })
            .collect()
    }

    #[test]
    fn markdown_is_split_into_blocks() {
        let text = "# A title\n\nOne\ntwo.\n- item\n  goes on\n1. first\n\n```sh\ncode\n```\n\
            | a | `b\\|c` d |\n|---|---|\n<!-- not\nshown -->\nEnd.";
        let expected = [
            (Kind::Heading, "A title"),
            (Kind::Paragraph, "One/two."),
            (Kind::Paragraph, "item/goes on"),
            (Kind::Paragraph, "first"),
            (Kind::Cell, "a"),
            (Kind::Cell, "_ d"),
            (Kind::Paragraph, "End."),
        ];
        let expected = expected.map(|(kind, text)| (kind, text.to_owned()));
        assert_eq!(blocks(text), expected);
    }

    #[test]
    fn lines_outside_of_code_are_counted() {
        let text = "a\n\n```\nb\n```\nc\n";
        assert_eq!(prose((1..).zip(text.lines())).lines, 2);
    }

    #[test]
    fn code_and_targets_are_left_out() {
        assert_eq!(without_code("a `b c` [d](e(f) g"), "a _ [d] g");
    }

    #[test]
    fn phrases_are_found_across_lines() {
        let words = Words::of(&[(1, "It lets".to_owned()), (2, "go. Let, go".to_owned())]);
        assert_eq!(words.positions("lets go").collect::<Vec<_>>(), [1]);
        assert_eq!(words.positions("let go").count(), 0);
        assert_eq!(words.line(2), 2);
    }
}
