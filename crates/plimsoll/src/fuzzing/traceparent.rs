//! Compares the parser of `traceparent` and `tracestate` with a simple reference reader.

use http::{HeaderMap, HeaderValue};

use crate::trace::{Parent, SpanContext, TRACEPARENT, TRACESTATE};

/// Parses one `traceparent` per line. Lines after an empty line are lines of `tracestate`.
///
/// # Panics
///
/// If a value is parsed contrary to the standard, or is not written back unchanged.
pub(super) fn check(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut sent = [Vec::new(), Vec::new()];
    let mut name = 0;
    for line in bytes.split(|&byte| byte == b'\n') {
        if line.is_empty() {
            name = 1;
            continue;
        }
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append([&TRACEPARENT, &TRACESTATE][name], value);
            sent[name].push(line);
        }
        if name == 0 {
            one(line);
        }
    }
    let parent = Parent::from_headers(&headers);
    let expected = match sent[0].as_slice() {
        [one] => reference(one),
        _ => None,
    };
    assert_eq!(parent.as_ref().map(|it| it.context.header()), expected);
    if let Some(state) = parent.and_then(|parent| parent.state) {
        let all = sent[1].join(&b","[..]);
        assert_eq!(state.as_bytes(), all, "a state is passed on as it is");
        assert!(all.len() <= 512);
        let text = str::from_utf8(&all).expect("a state is visible ASCII");
        let members = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        let keys: Vec<_> = members
            .map(|it| it.split_once('=').expect("a member has a value").0)
            .collect();
        assert!(keys.len() <= 32);
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{key} comes twice");
            assert!(!key.chars().any(|char| char.is_uppercase() || char == ' '));
        }
    }
}

/// Checks one value, which need not be a valid header value.
fn one(value: &[u8]) {
    let read = SpanContext::parse(value);
    assert_eq!(read.map(|context| context.header()), reference(value));
    if let Some(context) = read {
        let again = SpanContext::parse(context.header().as_bytes());
        assert_eq!(again, Some(context), "what is written is read");
        assert!(context.child([1; 8], true).is_same_trace(&context));
    }
}

/// The header that is propagated, if the value is valid.
fn reference(value: &[u8]) -> Option<HeaderValue> {
    let text = String::from_utf8_lossy(value);
    let mut parts = text.split('-');
    let mut digits = |count: usize| {
        let part = parts.next()?;
        let is_digit = |char: char| "0123456789abcdef".contains(char);
        (part.len() == count && part.chars().all(is_digit)).then_some(part)
    };
    let (version, trace, span, flags) = (digits(2)?, digits(32)?, digits(16)?, digits(2)?);
    let is_more = parts.next().is_some();
    let is_zero = |id: &str| id.chars().all(|char| char == '0');
    if version == "ff" || version == "00" && is_more || is_zero(trace) || is_zero(span) {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()? & 3;
    HeaderValue::try_from(format!("00-{trace}-{span}-{flags:02x}")).ok()
}
