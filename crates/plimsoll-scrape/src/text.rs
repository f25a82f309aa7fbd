//! A tolerant reader of the text format of Prometheus, and of OpenMetrics.
//!
//! One line that cannot be read must not hide the state of an instance.
//! Such a line is returned as [`Unreadable`], and the others are kept.

use std::borrow::Cow;

/// A line with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    /// The name of the metric.
    pub name: &'a str,
    /// Its value, which can be infinite or no number.
    pub value: f64,
    labels: Vec<(&'a str, Cow<'a, str>)>,
}

/// A line that is no sample, no comment and not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable<'a> {
    /// The number of the line, from 1.
    pub line: usize,
    /// The line.
    pub text: &'a str,
}

/// Returns the samples of a scrape, in order. Timestamps and exemplars are ignored.
pub fn samples(text: &str) -> impl Iterator<Item = Result<Sample<'_>, Unreadable<'_>>> {
    let lines = (1..).zip(text.lines());
    let lines = lines.map(|(line, text)| (line, text.trim()));
    let lines = lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#'));
    lines.map(|(line, text)| sample(text).ok_or(Unreadable { line, text }))
}

impl Sample<'_> {
    /// Returns the value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let mut labels = self.labels.iter();
        labels
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value.as_ref())
    }
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(|next: char| next == '{' || next.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // A timestamp and an exemplar can follow.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    is_name(name).then_some(Sample {
        name,
        value,
        labels,
    })
}

/// The labels of a sample.
type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// Reads labels up to the closing brace. Returns them with the rest of the line.
fn labels(mut rest: &str) -> Option<(Labels<'_>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, after) = rest.split_once('=')?;
        let quoted = after.trim_start().strip_prefix('"')?;
        let (value, after) = quoted_value(quoted)?;
        let name = name.trim_end();
        if !is_name(name) {
            return None;
        }
        labels.push((name, value));
        rest = after;
    }
}

/// Reads a value up to the closing quote. Returns it with the text after the quote.
fn quoted_value(quoted: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut escaped = false;
    let end = quoted.find(|next: char| {
        let is_end = next == '"' && !escaped;
        escaped = next == '\\' && !escaped;
        is_end
    })?;
    let (raw, after) = (&quoted[..end], &quoted[end + 1..]);
    let value = if raw.contains('\\') {
        Cow::Owned(unescaped(raw))
    } else {
        Cow::Borrowed(raw)
    };
    Some((value, after))
}

/// Replaces the escapes of the format; any other backslash is kept.
fn unescaped(raw: &str) -> String {
    let mut value = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(next) = characters.next() {
        match next {
            '\\' => match characters.next() {
                Some('n') => value.push('\n'),
                Some(character @ ('\\' | '"')) => value.push(character),
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            _ => value.push(next),
        }
    }
    value
}

fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.');
    !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn one(line: &str) -> Sample<'_> {
        let samples: Vec<_> = samples(line).collect();
        assert_eq!(samples.len(), 1, "{line}");
        samples.into_iter().next().unwrap().unwrap()
    }

    #[test]
    fn samples_have_name_labels_and_value() {
        let text = "# TYPE a counter\na 1\n\nb{x=\"y\",z=\"\"} 2.5\n# EOF\n";
        let samples: Vec<_> = samples(text).map(Result::unwrap).collect();
        assert_eq!((samples[0].name, samples[0].value), ("a", 1.0));
        assert_eq!((samples[1].name, samples[1].value), ("b", 2.5));
        assert_eq!(samples[1].label("x"), Some("y"));
        assert_eq!(samples[1].label("z"), Some(""));
        assert_eq!(samples[1].label("w"), None);
    }

    #[test]
    fn unusual_forms_are_read() {
        assert_eq!(one("a 1 1700000000000\r\n").value, 1.0);
        assert_eq!(one("a{le=\"1\"} 3 # {trace_id=\"f\"} 0.5").value, 3.0);
        assert_eq!(one("a { x = \"y\" , } +Inf").value, f64::INFINITY);
        assert_eq!(one("a{x=\"y\"}4").value, 4.0);
        assert!(one("a NaN").value.is_nan());
        assert_eq!(
            one("a{x=\"}, \\\"y\\\"\\\\\\n\\d\"} 1").label("x"),
            Some("}, \"y\"\\\n\\d")
        );
    }

    #[test]
    fn unreadable_line_hides_no_other() {
        let text = "a 1\n<html>\nb{x=\"y} 2\nc x\nd\n9e 1\nf 2\n";
        let lines: Vec<usize> = samples(text)
            .filter_map(|it| it.err().map(|it| it.line))
            .collect();
        assert_eq!(lines, [2, 3, 4, 5, 6]);
        let names: Vec<&str> = samples(text).flatten().map(|it| it.name).collect();
        assert_eq!(names, ["a", "f"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[a{}=\",\\\\ n1#\n]{0,60}") {
            let lines = text.lines().count();
            prop_assert!(samples(&text).count() <= lines);
        }

        #[test]
        fn any_label_value_is_returned(value in "[^\n]{0,20}", number in any::<f64>()) {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("a{{x=\"{escaped}\"}} {number}");
            let sample = samples(&text).next().unwrap().unwrap();
            prop_assert_eq!(sample.label("x"), Some(value.as_str()));
            prop_assert_eq!(sample.value.to_bits(), number.to_bits());
        }
    }
}
