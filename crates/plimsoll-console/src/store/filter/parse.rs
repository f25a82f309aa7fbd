//! Reads a filter.

use std::{iter::Peekable, str::CharIndices};

use memchr::memmem::Finder;

use super::{Comparison, Filter, LineMember, LineTest, Needle, Term, Test};
use crate::ingest::fields::Level;

const KEYS: &str = "service:, run:, status:, method:, route:, path:, id:, trace:, level:, target:, text:, \
                    ms> and status>";

/// The most terms of a filter, because each costs time for each record.
const MAX_TERMS: usize = 32;

/// A filter that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the filter term {term:?} {problem}")]
pub(crate) struct InvalidFilter {
    pub(crate) term: String,
    pub(crate) problem: String,
}

pub(super) fn filter(text: &str) -> Result<Filter, InvalidFilter> {
    let mut terms = Vec::new();
    let mut characters = text.char_indices().peekable();
    loop {
        while characters
            .next_if(|(_, character)| character.is_whitespace())
            .is_some()
        {}
        let Some(&(start, _)) = characters.peek() else {
            return Ok(Filter { terms });
        };
        let word = Word::read(&mut characters);
        let end = characters.peek().map_or(text.len(), |(end, _)| *end);
        let invalid = |problem: String| InvalidFilter {
            term: text.get(start..end).unwrap_or_default().to_owned(),
            problem,
        };
        let term = word.and_then(Word::term).map_err(&invalid)?;
        if terms.len() == MAX_TERMS {
            return Err(invalid(format!("is one too many: at most {MAX_TERMS}")));
        }
        terms.push(term);
    }
}

/// A term before its value is read.
#[derive(Debug, Default)]
struct Word {
    is_negated: bool,
    /// The key and what follows it: `:`, `>` or `<`, with `=`.
    key: Option<(String, &'static str)>,
    value: String,
    is_quoted: bool,
}

impl Word {
    fn read(characters: &mut Peekable<CharIndices<'_>>) -> Result<Self, String> {
        let mut word = Self::default();
        if characters.next_if(|(_, next)| *next == '-').is_some() {
            word.is_negated = true;
        }
        while let Some((_, next)) = characters.next_if(|(_, next)| !next.is_whitespace()) {
            match next {
                '"' => {
                    word.is_quoted = true;
                    word.read_quoted(characters)?;
                }
                ':' | '<' | '>' if word.can_be_key() => {
                    let has_equal =
                        next != ':' && characters.next_if(|(_, next)| *next == '=').is_some();
                    let operator = match (next, has_equal) {
                        ('<', false) => "<",
                        ('<', true) => "<=",
                        ('>', false) => ">",
                        ('>', true) => ">=",
                        _ => ":",
                    };
                    word.key = Some((std::mem::take(&mut word.value), operator));
                }
                _ => word.value.push(next),
            }
        }
        Ok(word)
    }

    fn read_quoted(&mut self, characters: &mut Peekable<CharIndices<'_>>) -> Result<(), String> {
        while let Some((_, next)) = characters.next() {
            match next {
                '"' => return Ok(()),
                '\\' => match characters.next() {
                    Some((_, escaped)) => self.value.push(escaped),
                    None => break,
                },
                _ => self.value.push(next),
            }
        }
        Err("has no closing quote".to_owned())
    }

    fn can_be_key(&self) -> bool {
        self.key.is_none()
            && !self.is_quoted
            && !self.value.is_empty()
            && self.value.bytes().all(|byte| byte.is_ascii_alphabetic())
    }

    fn term(self) -> Result<Term, String> {
        let test = match &self.key {
            _ if self.value.is_empty() => return Err("has no value".to_owned()),
            None => line(LineMember::Text, &self.value),
            Some((key, operator)) => test(key, operator, &self.value)?,
        };
        Ok(Term {
            is_negated: self.is_negated,
            test,
        })
    }
}

fn test(key: &str, operator: &str, value: &str) -> Result<Test, String> {
    let comparison = match operator {
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => Comparison::Equal,
    };
    let test = match (key, comparison) {
        ("status", Comparison::Equal) => status(value)?,
        ("status", _) => {
            let status = value.parse().map_err(|_| "needs a status, such as 400")?;
            Test::Status(comparison, status)
        }
        ("ms", Comparison::Equal) => return Err("needs < or > instead of :".to_owned()),
        ("ms", _) => {
            let ms: f64 = value.parse().map_err(|_| "needs a number, such as 50")?;
            if !ms.is_finite() {
                return Err("needs a number, such as 50".to_owned());
            }
            Test::Ms(comparison, ms)
        }
        ("service", Comparison::Equal) => Test::Service(value.to_owned()),
        ("run", Comparison::Equal) => {
            Test::Run(value.parse().map_err(|_| "needs a number, such as 2")?)
        }
        ("level", Comparison::Equal) => Test::Level(
            Level::of_name(value).ok_or("needs trace, debug, info, warning, error or critical")?,
        ),
        ("method", Comparison::Equal) => line(LineMember::Method, &value.to_uppercase()),
        ("route", Comparison::Equal) => line(LineMember::Route, value),
        ("path", Comparison::Equal) => line(LineMember::Path, value),
        ("id", Comparison::Equal) => line(LineMember::Id, value),
        ("trace", Comparison::Equal) => line(LineMember::Trace, value),
        ("target", Comparison::Equal) => line(LineMember::Target, value),
        ("text", Comparison::Equal) => line(LineMember::Text, value),
        _ => {
            return Err(format!(
                "has an unknown key: {key}{operator}; keys are {KEYS}; a text with a colon needs quotes"
            ));
        }
    };
    Ok(test)
}

fn status(value: &str) -> Result<Test, String> {
    if let [class @ b'1'..=b'9', b'x' | b'X', b'x' | b'X'] = value.as_bytes() {
        return Ok(Test::StatusClass(u16::from(class - b'0')));
    }
    let status = value
        .parse()
        .map_err(|_| "needs a status, such as 500 or 5xx")?;
    Ok(Test::Status(Comparison::Equal, status))
}

fn line(member: LineMember, value: &str) -> Test {
    let (text, is_prefix) = match member {
        LineMember::Route | LineMember::Path => match value.strip_suffix('*') {
            Some(text) => (text, true),
            None => (value, false),
        },
        LineMember::Method => (value, false),
        _ => (value, true),
    };
    let ignores_case = member == LineMember::Text && !value.chars().any(char::is_uppercase);
    Test::Line(Box::new(LineTest {
        member,
        needle: Needle {
            text: text.to_owned(),
            finder: Finder::new(text.as_bytes()).into_owned(),
            is_prefix,
            ignores_case,
        },
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terms_are_read() {
        let parsed = filter(
            r#" service:orders -status:5xx status>=400 ms<5.5 "two words" text:"a \"b\"" route:/a/* id:fe "#,
        );
        let terms = parsed.unwrap().terms;
        assert_eq!(terms.len(), 8);
        assert!(matches!(&terms[0].test, Test::Service(name) if name == "orders"));
        assert!(terms[1].is_negated && matches!(terms[1].test, Test::StatusClass(5)));
        assert!(matches!(
            terms[2].test,
            Test::Status(Comparison::GreaterOrEqual, 400)
        ));
        assert!(matches!(terms[3].test, Test::Ms(Comparison::Less, 5.5)));
        let needles = terms[4..].iter().map(|term| match &term.test {
            Test::Line(test) => (test.member, &*test.needle.text, test.needle.is_prefix),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            needles.collect::<Vec<_>>(),
            [
                (LineMember::Text, "two words", true),
                (LineMember::Text, "a \"b\"", true),
                (LineMember::Route, "/a/", true),
                (LineMember::Id, "fe", true),
            ]
        );
    }

    #[test]
    fn text_without_a_key_may_have_signs() {
        for text in [
            "a->b",
            "12:03",
            "a=b",
            "(x)",
            "é:x",
            "\"http://x\"",
            ":x",
            ">5",
        ] {
            let terms = filter(text).unwrap().terms;
            assert_eq!(terms.len(), 1, "{text}");
            assert!(matches!(&terms[0].test, Test::Line(test) if test.member == LineMember::Text));
        }
    }

    #[test]
    fn invalid_term_is_named_with_its_remedy() {
        for (text, term, problem) in [
            (
                "a foo:bar b",
                "foo:bar",
                "has an unknown key: foo:; keys are service:, run:",
            ),
            (
                "service>2",
                "service>2",
                "has an unknown key: service>; keys are",
            ),
            (
                "x status:abc",
                "status:abc",
                "needs a status, such as 500 or 5xx",
            ),
            (
                "status:éxx",
                "status:éxx",
                "needs a status, such as 500 or 5xx",
            ),
            ("ms:5", "ms:5", "needs < or > instead of :"),
            ("ms>inf", "ms>inf", "needs a number"),
            ("level:loud", "level:loud", "needs trace, debug"),
            ("service:", "service:", "has no value"),
            ("-", "-", "has no value"),
            ("\"\"", "\"\"", "has no value"),
            ("a \"b c", "\"b c", "has no closing quote"),
            ("\"b\\", "\"b\\", "has no closing quote"),
        ] {
            let error = filter(text).unwrap_err();
            assert_eq!(error.term, term, "{text}");
            assert!(error.problem.starts_with(problem), "{text}: {error}");
        }
        assert!(filter(&"a ".repeat(MAX_TERMS)).is_ok());
        assert!(filter(&"a ".repeat(MAX_TERMS + 1)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_filter_or_an_error(text in "(\\PC|status|ms|text|[-:<>=\" *\\\\]|[0-9]){0,30}") {
            if let Err(error) = filter(&text) {
                prop_assert!(text.contains(&error.term));
                prop_assert!(!error.problem.is_empty());
            }
        }

        #[test]
        fn quoted_text_is_kept_as_it_is(
            texts in proptest::collection::vec(("\\PC{1,12}", any::<bool>(), any::<bool>()), 1..5),
        ) {
            let mut written = String::new();
            for (text, is_negated, has_key) in &texts {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                let sign = if *is_negated { "-" } else { "" };
                let key = if *has_key { "text:" } else { "" };
                written.push_str(&format!(" {sign}{key}\"{escaped}\""));
            }
            let terms = filter(&written).unwrap().terms;
            prop_assert_eq!(terms.len(), texts.len());
            for (term, (text, is_negated, _)) in terms.iter().zip(&texts) {
                prop_assert_eq!(term.is_negated, *is_negated);
                let is_text = matches!(&term.test, Test::Line(test) if test.needle.text == *text);
                prop_assert!(is_text);
            }
        }
    }
}
