//! Checks log lines with any texts (contract LOG-1, LOG-2, LOG-8).

use serde_json::{Map, Value};

use crate::{
    config::{Level, LogFormat},
    telemetry::record::{MAX_LINE, Record},
};

const LEADING: [&str; 7] = [
    "asctime",
    "levelname",
    "name",
    "process",
    "threadName",
    "message",
    "request_id",
];

/// The maximum length of an escaped byte, as in `\u0001`.
const MAX_ESCAPE: usize = 6;

/// Writes one record, and reads it back.
///
/// `pieces` are its name, message and request id, then keys and values in turn. `number` is the value of
/// one more field.
///
/// # Panics
///
/// If the line is not the record, truncated to its limits, or violates the contract.
pub(super) fn check(format: LogFormat, number: u64, pieces: &[&[u8]]) {
    let texts: Vec<_> = pieces
        .iter()
        .map(|bytes| String::from_utf8_lossy(bytes))
        .collect();
    let text = |index: usize| texts.get(index).map_or("", |text| &**text);
    let (name, message, id) = (text(0), text(1), text(2));
    let mut keys = LEADING.map(str::to_owned).to_vec();
    let mut fields: Vec<(String, &str)> = Vec::new();
    for pair in texts.get(3..).unwrap_or_default().chunks(2) {
        let [key, value] = pair else { break };
        let shown = match LEADING.contains(&&**key) {
            true => format!("{key}_"),
            false => key.clone().into_owned(),
        };
        // Repeated names come only from code of the service, not from a peer.
        if !keys.contains(&shown) && shown != "number" {
            keys.push(shown);
            fields.push((key.clone().into_owned(), value));
        }
    }
    let mut line = Vec::new();
    let mut record = Record::begin(&mut line, format, Level::Warning, name, message, id);
    for (key, value) in &fields {
        record.str(key, value);
    }
    record.float("number", f64::from_bits(number));
    record.end();
    if format == LogFormat::Pretty {
        return pretty_line(&line);
    }
    let entries = json_line(&line);
    check_text(&entries[2].1, name, 256);
    check_text(&entries[5].1, message, MAX_LINE / 2);
    check_text(&entries[6].1, id, 256);
    let lengths = fields
        .iter()
        .map(|(key, value)| key.len() + value.len() + 8);
    let has_space = MAX_ESCAPE * (lengths.sum::<usize>() + message.len() + 600) < MAX_LINE;
    // Fields that do not fit are omitted. No other field replaces them.
    let mut rest = &entries[LEADING.len()..];
    for (shown, (_, value)) in keys[LEADING.len()..].iter().zip(&fields) {
        match rest.split_first() {
            Some(((key, logged), behind)) if key == shown => {
                check_text(logged, value, if has_space { usize::MAX } else { 0 });
                rest = behind;
            }
            _ => assert!(!has_space, "{shown:?} is missing in {entries:?}"),
        }
    }
    let number = f64::from_bits(number);
    match rest {
        [] => assert!(!has_space, "the number is missing in {entries:?}"),
        [(key, Value::Number(logged))] => {
            // The JSON parser of the test may differ in the last digit.
            let logged = logged.as_f64().expect("a number");
            let is_near = (logged - number).abs() <= number.abs() * 1e-15 || number.abs() < 1e-290;
            assert!(key == "number" && is_near, "{logged:?} is not {number:?}");
        }
        [(key, Value::String(logged))] => {
            assert!(!number.is_finite() && key == "number" && *logged == number.to_string());
        }
        more => panic!("{more:?} was not written"),
    }
}

/// Checks that the logged text is `text`, or, if that may need more than `budget` bytes, a prefix of it
/// with `…`.
fn check_text(logged: &Value, text: &str, budget: usize) {
    let logged = logged.as_str().expect("a text was written");
    if logged != text {
        let begun = logged.strip_suffix('…').unwrap_or(logged);
        assert!(text.starts_with(begun), "{logged:?} is not of {text:?}");
        let worst = text.len().saturating_mul(MAX_ESCAPE);
        assert!(worst > budget, "{logged:?} is truncated, {text:?} fits");
    }
}

/// Checks a line of JSON, and returns its fields in their order.
///
/// # Panics
///
/// If the line is not exactly one flat JSON object.
pub(super) fn json_line(line: &[u8]) -> Vec<(String, Value)> {
    let text = one_line(line);
    let whole: Map<String, Value> = serde_json::from_str(text).expect("the line is JSON");
    let mut entries = Vec::new();
    let mut rest = text.strip_prefix('{').expect("it is an object");
    while !rest.is_empty() {
        let key = token(&mut rest, ':');
        let value = token(&mut rest, ',');
        let key: String = serde_json::from_str(key).expect("a key is a text");
        entries.push((key, serde_json::from_str(value).expect("a value is JSON")));
    }
    assert_eq!(entries.len(), whole.len(), "a field is there twice");
    for (key, value) in &entries {
        assert_eq!(whole.get(key), Some(value), "{key:?} is forged");
    }
    let leading: Vec<_> = entries.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(leading.get(..LEADING.len()), Some(&LEADING[..]));
    assert_eq!(entries[3].1, std::process::id(), "the process");
    entries
}

/// Splits off the text up to `end` or the end of the object, outside strings.
fn token<'a>(rest: &mut &'a str, end: char) -> &'a str {
    let (mut is_inside, mut is_escaped) = (false, false);
    let at = rest.find(|char: char| {
        let is_quote = char == '"' && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        is_inside ^= is_quote;
        !is_inside && (char == end || char == '}')
    });
    let (token, behind) = rest.split_at(at.expect("an object has an end"));
    *rest = &behind[1..];
    token
}

/// Checks a line in the pretty format, which contains no escape sequences except the chassis's colours.
///
/// # Panics
///
/// If the line contains another control character or a line break.
pub(super) fn pretty_line(line: &[u8]) {
    let mut text = String::from_utf8(line.to_vec()).expect("a line is UTF-8");
    for colour in [0, 1, 2, 31, 32, 33] {
        text = text.replace(&format!("\x1b[{colour}m"), "");
    }
    one_line(text.as_bytes());
    assert!(line.len() <= MAX_LINE, "{} bytes", line.len());
}

/// Checks that the text is exactly one line, and returns it without the line feed.
fn one_line(line: &[u8]) -> &str {
    assert!(line.len() <= MAX_LINE, "{} bytes", line.len());
    let text = str::from_utf8(line).expect("a line is UTF-8");
    let text = text.strip_suffix('\n').expect("a line has an end");
    let breaks = |char: char| char.is_control() || matches!(char, '\u{2028}' | '\u{2029}');
    let is_control = |byte: &&u8| **byte < b' ' || **byte == 0x7F;
    // The first check is fast and suffices for ASCII.
    assert_eq!(text.as_bytes().iter().filter(is_control).count(), 0);
    assert!(text.is_ascii() || !text.contains(breaks), "{text:?}");
    text
}
