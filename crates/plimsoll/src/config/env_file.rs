//! Parses a profile: a file of `NAME=value` lines.
//!
//! | line                     | meaning                                       |
//! |--------------------------|-----------------------------------------------|
//! | blank, or `# …`          | skipped                                       |
//! | `NAME=a b # why`         | `a b`: a comment begins at a blank before `#` |
//! | `NAME="a # b\n" # why`   | `a # b` and a line feed                       |
//! | `NAME='a \n b'`          | as it stands between the quotes               |
//! | `export NAME=a`          | `a`, so that a shell can source the file too  |
//! | `NAME=`                  | empty, that is, unset                         |
//!
//! Double quotes accept the escapes `\n`, `\t`, `\"` and `\\`. Nothing is substituted: a `$` is a
//! `$`. A value ends with its line. If a name occurs twice, the last one wins, as in a shell.
//!
//! # Security
//!
//! A [`BadLine`] has a number and no text: a line that cannot be parsed may contain a secret.

/// A line that sets a variable.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Line number, from 1.
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) value: String,
}

/// A line that cannot be parsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// Line number, from 1.
    pub(super) line: usize,
    /// The expected form.
    pub(super) expected: &'static str,
}

/// Parses a profile into assignments and bad lines.
pub(super) fn parse(text: &str) -> (Vec<Assignment>, Vec<BadLine>) {
    // Editors on Windows put a byte order mark at the start of a file.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut assignments = Vec::new();
    let mut bad = Vec::new();
    for (index, content) in text.lines().enumerate() {
        let line = index + 1;
        match assignment(content) {
            Ok(None) => {}
            Ok(Some((name, value))) => assignments.push(Assignment { line, name, value }),
            Err(expected) => bad.push(BadLine { line, expected }),
        }
    }
    (assignments, bad)
}

/// Whether a text is a valid name of a variable, in a profile and in a shell.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Parses one line. `None` for a blank line or a comment; the error is the expected form.
fn assignment(line: &str) -> Result<Option<(String, String)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with(char::is_whitespace) => rest.trim_start(),
        _ => line,
    };
    let (name, raw) = line.split_once('=').ok_or("NAME=value")?;
    if !is_name(name) {
        return Err("a name of letters, digits and underscores right before the equals sign");
    }
    Ok(Some((name.to_owned(), value(raw)?)))
}

fn value(raw: &str) -> Result<String, &'static str> {
    let trimmed = raw.trim_start();
    if let Some(rest) = trimmed.strip_prefix('\'') {
        let (value, after) = rest.split_once('\'').ok_or("a closing quote")?;
        end_of_line(after)?;
        Ok(value.to_owned())
    } else if let Some(rest) = trimmed.strip_prefix('"') {
        let (value, after) = double_quoted(rest)?;
        end_of_line(after)?;
        Ok(value)
    } else {
        Ok(without_comment(raw).trim().to_owned())
    }
}

/// Parses up to the closing quote. Returns the value and the rest of the line.
fn double_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next().ok_or("a closing quote")? {
            '"' => return Ok((value, chars.as_str())),
            '\\' => value.push(match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(same @ ('"' | '\\')) => same,
                _ => return Err(r#"one of the escapes \n, \t, \" and \\ after a backslash"#),
            }),
            other => value.push(other),
        }
    }
}

/// Rejects anything but a comment after a closing quote.
fn end_of_line(after: &str) -> Result<(), &'static str> {
    if without_comment(after).trim().is_empty() {
        Ok(())
    } else {
        Err("nothing but a comment after the closing quote")
    }
}

/// Returns the text before the first `#` that follows a blank.
fn without_comment(text: &str) -> &str {
    text.match_indices('#')
        .map(|(at, _)| &text[..at])
        .find(|before| before.ends_with(char::is_whitespace))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn value_follows_the_quoting_rules() {
        #[track_caller]
        fn check(line: &str, expect: &str) {
            let (assignments, bad) = parse(line);
            assert_eq!(bad, [], "{line:?}");
            let [only] = assignments.as_slice() else {
                panic!("{line:?} is one assignment");
            };
            assert_eq!((only.name.as_str(), only.value.as_str()), ("A", expect));
        }
        check("A=b", "b");
        check("  A=  b c  ", "b c");
        check("export A=b", "b");
        check("export\t A=b", "b");
        check("A=", "");
        check("A= # why", "");
        check("A=b # why", "b");
        check("A=b#c", "b#c");
        check("A=#b", "#b");
        check("A=b#c\t# why", "b#c");
        check("A=b=c", "b=c");
        check("A=$B\\n", "$B\\n");
        check("A=it's \"so\"", "it's \"so\"");
        check("A='b # c' # why", "b # c");
        check("A='b\\n'", "b\\n");
        check("A=''", "");
        check(r#"A="b # c""#, "b # c");
        check(r#"A= " b " "#, " b ");
        check(r#"A="\n\t\"\\" # why"#, "\n\t\"\\");
        check("\u{feff}A=b", "b");
        check("A=b\r\n", "b");
        check("# A=a\n\nA=b\n", "b");
    }

    #[test]
    fn bad_line_has_its_number_and_expected_form() {
        #[track_caller]
        fn check(line: &str, expect: &str) {
            let (assignments, bad) = parse(&format!("# first\n{line}\nA=b"));
            assert_eq!(assignments.len(), 1, "the other lines still count");
            let [only] = bad.as_slice() else {
                panic!("{line:?} is one bad line");
            };
            assert_eq!(only.line, 2);
            assert!(only.expected.contains(expect), "{:?}", only.expected);
        }
        check("A", "NAME=value");
        check("export", "NAME=value");
        check("export A", "NAME=value");
        check("=b", "a name");
        check("A =b", "a name");
        check("1A=b", "a name");
        check("A-B=b", "a name");
        check("Ä=b", "a name");
        check("exportA B=c", "a name");
        check("A='b", "a closing quote");
        check("A=\"b", "a closing quote");
        check("A=\"b\\\"", "a closing quote");
        check("A=\"\\q\"", "escapes");
        check("A=\"b\\", "escapes");
        check("A='b'c", "after the closing quote");
        check("A=\"b\"#c", "after the closing quote");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in any::<String>(), line in r#"(export )?[A-C]{0,2}=?["' \\nt#a-c=]{0,20}"#) {
            let _ = parse(&text);
            let _ = parse(&line);
        }

        #[test]
        fn double_quotes_carry_any_text_in_one_line(value in any::<String>()) {
            let written = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            let (assignments, bad) = parse(&format!("A=\"{written}\""));
            prop_assert_eq!(bad, []);
            prop_assert_eq!(&assignments[0].value, &value);
        }
    }
}
