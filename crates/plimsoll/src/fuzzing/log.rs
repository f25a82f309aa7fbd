//! What holds for every line of the log, whoever chose its texts: for the fuzzer, and for the
//! replay of what it has found (contract LOG-1, LOG-2, LOG-8).

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

/// The most bytes that a text takes when nothing is known of it but its length: `\u0001` for one.
const WORST: usize = 6;

/// Writes one record of a user's, and reads it back.
///
/// `pieces` are its name, its message, its request's id, and then keys and values in turn; `number`
/// is a value too.
///
/// # Panics
///
/// If the line is not what was written, as far as it had room, or breaks the contract.
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
        // The same name twice is the user's mistake, which no stranger can make.
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
    kept(&entries[2].1, name, 256);
    kept(&entries[5].1, message, MAX_LINE / 2);
    kept(&entries[6].1, id, 256);
    let given = fields
        .iter()
        .map(|(key, value)| key.len() + value.len() + 8);
    let has_room = WORST * (given.sum::<usize>() + message.len() + 600) < MAX_LINE;
    // Fields for which there was no room are left out, and no other is in their place.
    let mut rest = &entries[LEADING.len()..];
    for (shown, (_, value)) in keys[LEADING.len()..].iter().zip(&fields) {
        match rest.split_first() {
            Some(((key, said), behind)) if key == shown => {
                kept(said, value, if has_room { usize::MAX } else { 0 });
                rest = behind;
            }
            _ => assert!(!has_room, "{shown:?} is left out of {entries:?}"),
        }
    }
    let number = f64::from_bits(number);
    match rest {
        [] => assert!(!has_room, "the number is left out of {entries:?}"),
        [(key, Value::Number(said))] => {
            // The reader of the test is off by a digit now and then.
            let said = said.as_f64().expect("a number");
            let is_near = (said - number).abs() <= number.abs() * 1e-15 || number.abs() < 1e-290;
            assert!(key == "number" && is_near, "{said:?} is not {number:?}");
        }
        [(key, Value::String(said))] => {
            assert!(!number.is_finite() && key == "number" && *said == number.to_string());
        }
        more => panic!("{more:?} was not written"),
    }
}

/// Checks that `said` is `text`, or a beginning of it with `…` if that may need more than `budget`.
fn kept(said: &Value, text: &str, budget: usize) {
    let said = said.as_str().expect("a text was written");
    if said != text {
        let begun = said.strip_suffix('…').unwrap_or(said);
        assert!(text.starts_with(begun), "{said:?} is not of {text:?}");
        let worst = text.len().saturating_mul(WORST);
        assert!(worst > budget, "{said:?} is cut, {text:?} has room");
    }
}

/// Checks a line of JSON, and gives its fields in their order.
///
/// # Panics
///
/// If a reader of lines, or of JSON, would not find exactly one flat object in it.
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

/// Takes a value up to `end`, or to the end of the object, neither of them inside a string.
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

/// Checks a line for a person, who must not see more colours than the chassis gives.
///
/// # Panics
///
/// If a terminal, or a reader of lines, would take any of it for a command.
pub(super) fn pretty_line(line: &[u8]) {
    let mut text = String::from_utf8(line.to_vec()).expect("a line is UTF-8");
    for colour in [0, 1, 2, 31, 32, 33] {
        text = text.replace(&format!("\x1b[{colour}m"), "");
    }
    one_line(text.as_bytes());
    assert!(line.len() <= MAX_LINE, "{} bytes", line.len());
}

/// Checks that it is one line to every reader, and gives it without its end.
fn one_line(line: &[u8]) -> &str {
    assert!(line.len() <= MAX_LINE, "{} bytes", line.len());
    let text = str::from_utf8(line).expect("a line is UTF-8");
    let text = text.strip_suffix('\n').expect("a line has an end");
    let breaks = |char: char| char.is_control() || matches!(char, '\u{2028}' | '\u{2029}');
    let is_control = |byte: &&u8| **byte < b' ' || **byte == 0x7F;
    // Twice, since the first is fast and nearly all that there is to do.
    assert_eq!(text.as_bytes().iter().filter(is_control).count(), 0);
    assert!(text.is_ascii() || !text.contains(breaks), "{text:?}");
    text
}
