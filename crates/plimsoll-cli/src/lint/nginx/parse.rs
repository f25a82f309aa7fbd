//! A tolerant parser of nginx's configuration: unknown directives are kept, and their meaning is not checked.

use std::{iter::Peekable, str::Chars};

use crate::place::{Broken, Place};

/// The deepest block that is read. Real configurations have about five levels.
const MAX_DEPTH: usize = 50;

/// A directive, with a block or without.
#[derive(Debug, Clone)]
pub(crate) struct Directive {
    pub(crate) name: String,
    pub(crate) words: Vec<String>,
    pub(crate) block: Vec<Self>,
    pub(crate) place: Place,
}

/// A part of the text.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    End,
    Open,
    Close,
}

/// Parses a file.
///
/// # Errors
///
/// If a block or a quote is not closed, or blocks are nested too deeply.
pub(crate) fn parse(text: &str, file: &str) -> Result<Vec<Directive>, Broken> {
    let file = Place::new(file, 1);
    // The directives of each open block, and the directive that opened it.
    let mut open: Vec<(Vec<Directive>, Option<Directive>)> = vec![(Vec::new(), None)];
    let mut words: Vec<String> = Vec::new();
    let mut start = 1;
    for (token, line) in tokens(text, &file)? {
        match token {
            Token::Word(word) => {
                if words.is_empty() {
                    start = line;
                }
                words.push(word);
            }
            Token::End => {
                if let (Some(directive), Some((block, _))) =
                    (directive(&mut words, file.at(start)), open.last_mut())
                {
                    block.push(directive);
                }
            }
            Token::Open if open.len() > MAX_DEPTH => {
                let what = format!("nested in more than {MAX_DEPTH} blocks");
                return Err(Broken::new(file.at(line), what));
            }
            Token::Open => open.push((Vec::new(), directive(&mut words, file.at(start)))),
            Token::Close => {
                words.clear();
                let closed = if open.len() > 1 { open.pop() } else { None };
                let Some((block, directive)) = closed else {
                    return Err(Broken::new(file.at(line), "this brace closes no block"));
                };
                if let (Some(directive), Some((outer, _))) = (directive, open.last_mut()) {
                    outer.push(Directive { block, ..directive });
                }
            }
        }
    }
    match open.pop() {
        Some((directives, None)) => Ok(directives),
        Some((_, Some(directive))) => {
            let what = format!("the block {} is not closed", directive.name);
            Err(Broken::new(directive.place, what))
        }
        None => Ok(Vec::new()),
    }
}

fn directive(words: &mut Vec<String>, place: Place) -> Option<Directive> {
    let mut words = std::mem::take(words).into_iter();
    Some(Directive {
        name: words.next()?,
        words: words.collect(),
        block: Vec::new(),
        place,
    })
}

/// Splits a text into tokens with their lines.
fn tokens(text: &str, file: &Place) -> Result<Vec<(Token, usize)>, Broken> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut chars = text.chars().peekable();
    let mut word = String::new();
    while let Some(c) = chars.next() {
        match c {
            '#' if word.is_empty() => while chars.next_if(|c| *c != '\n').is_some() {},
            '"' | '\'' if word.is_empty() => {
                let start = line;
                let mut quoted = String::new();
                loop {
                    match chars.next() {
                        Some(end) if end == c => break,
                        Some('\\') => escaped(&mut chars, &mut quoted),
                        Some(inner) => {
                            line += usize::from(inner == '\n');
                            quoted.push(inner);
                        }
                        None => return Err(Broken::new(file.at(start), "a quote is not closed")),
                    }
                }
                tokens.push((Token::Word(quoted), start));
            }
            // A variable, or a repetition in a regular expression.
            '{' if word.ends_with('$') || is_repetition(&chars) => {
                word.push('{');
                while let Some(inner) = chars.next_if(|c| *c != '}' && *c != '\n') {
                    word.push(inner);
                }
                word.extend(chars.next_if_eq(&'}'));
            }
            ';' | '{' | '}' => {
                finish(&mut word, &mut tokens, line);
                let token = match c {
                    ';' => Token::End,
                    '{' => Token::Open,
                    _ => Token::Close,
                };
                tokens.push((token, line));
            }
            c if c.is_whitespace() => {
                finish(&mut word, &mut tokens, line);
                line += usize::from(c == '\n');
            }
            '\\' => escaped(&mut chars, &mut word),
            c => word.push(c),
        }
    }
    finish(&mut word, &mut tokens, line);
    Ok(tokens)
}

/// Adds the character after a backslash. Escapes of regular expressions are kept.
fn escaped(chars: &mut Peekable<Chars<'_>>, word: &mut String) {
    match chars.next_if(|c| *c != '\n') {
        Some(c @ ('"' | '\'' | '\\')) => word.push(c),
        other => word.extend(['\\'].into_iter().chain(other)),
    }
}

/// Whether a digit follows, as in `[a-z]{2,}`.
fn is_repetition(chars: &Peekable<Chars<'_>>) -> bool {
    chars.clone().next().is_some_and(|c| c.is_ascii_digit())
}

fn finish(word: &mut String, tokens: &mut Vec<(Token, usize)>, line: usize) {
    if !word.is_empty() {
        tokens.push((Token::Word(std::mem::take(word)), line));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_and_words_have_their_lines() {
        let text = "# a\nhttp {\n  server { listen 80; # b\n    location ~ \"^/x{2}\" {\n      a 'b c';\n    }\n  }\n}\n";
        let directives = parse(text, "a.conf").unwrap();
        let server = &directives[0].block[0];
        assert_eq!((server.name.as_str(), server.place.line), ("server", 3));
        let location = &server.block[1];
        assert_eq!(location.words, ["~", "^/x{2}"]);
        assert_eq!(location.block[0].words, ["b c"]);
        assert_eq!(location.block[0].place.line, 5);
    }

    #[test]
    fn braces_of_variables_and_repetitions_open_no_block() {
        let text = "set $a ${b}c;\nlocation ~ ^/[a-z]{2,}$ { d; }\n";
        let directives = parse(text, "a.conf").unwrap();
        assert_eq!(directives[0].words, ["$a", "${b}c"]);
        assert_eq!(directives[1].words, ["~", "^/[a-z]{2,}$"]);
    }

    #[test]
    fn broken_file_has_a_line() {
        #[track_caller]
        fn check(text: &str, place: &str, what: &str) {
            let broken = parse(text, "a").unwrap_err();
            assert_eq!(broken.place.to_string(), place, "{text}");
            assert!(broken.what.contains(what), "{}", broken.what);
        }
        check("\nhttp {\n", "a:2", "the block http is not closed");
        check("\n}\n", "a:2", "closes no block");
        check("a 'b\n", "a:1", "quote");
        check(&"a {".repeat(60), "a:1", "nested");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in any::<String>(), conf in "[a{};'\"\\\\#$2 \n]{0,60}") {
            let _ = parse(&text, "a");
            let _ = parse(&conf, "a");
        }
    }
}
