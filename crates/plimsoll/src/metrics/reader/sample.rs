//! The parser of one sample: name, labels, value.

use super::{Sample, SampleLabels};

pub(super) fn parse_sample(line: &str) -> Result<Sample, String> {
    let end = line
        .find(['{', ' '])
        .ok_or_else(|| "a sample has no value".to_owned())?;
    let (name, mut rest) = line.split_at(end);
    if !is_name(name, true) {
        return Err(format!("{name:?} is no metric name"));
    }
    let mut labels = SampleLabels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = parse_labels(inside, &mut labels)?;
    }
    let mut words = rest.trim_start_matches(' ').split(' ');
    let value = parse_value(words.next().unwrap_or_default())?;
    if let Some(timestamp) = words.next() {
        timestamp
            .parse::<i64>()
            .map_err(|_| format!("{timestamp:?} is no timestamp"))?;
    }
    match words.next() {
        Some(word) => Err(format!("{word:?} follows the sample")),
        None => Ok(Sample {
            name: name.to_owned(),
            labels,
            value,
        }),
    }
}

/// Parses labels up to the closing brace and returns the rest of the line.
fn parse_labels<'line>(
    mut rest: &'line str,
    labels: &mut SampleLabels,
) -> Result<&'line str, String> {
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        let (name, after) = rest
            .split_once("=\"")
            .ok_or_else(|| format!("a label should begin at {rest:?}"))?;
        if !is_name(name, false) {
            return Err(format!("{name:?} is no label name"));
        }
        let mut escaped = false;
        let end = after
            .find(|character| {
                let closes = character == '"' && !escaped;
                escaped = character == '\\' && !escaped;
                closes
            })
            .ok_or_else(|| format!("the value of {name} has no end"))?;
        let value = unescape(&after[..end], true)?;
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("the label {name} comes twice"));
        }
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err(format!("a comma or brace should stand at {rest:?}")),
        }
    }
}

pub(super) fn unescape(text: &str, quotes: bool) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('\\') => plain.push('\\'),
            Some('n') => plain.push('\n'),
            Some('"') if quotes => plain.push('"'),
            other => return Err(format!("there is no escape \\{}", other.unwrap_or(' '))),
        }
    }
    Ok(plain)
}

pub(super) fn parse_value(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        // Rust also parses `inf`, `infinity` and `nan`, which the format does not have.
        _ if text.contains(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E')) => {
            Err(format!("{text:?} is no value"))
        }
        _ => text.parse().map_err(|_| format!("{text:?} is no value")),
    }
}

/// Whether a text is a valid name. Metric names may contain colons, label names may not.
pub(super) fn is_name(text: &str, colons: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    !text.is_empty() && text.chars().all(fits) && !text.starts_with(|c: char| c.is_ascii_digit())
}
