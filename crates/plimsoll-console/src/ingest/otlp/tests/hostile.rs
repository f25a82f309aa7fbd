//! Bodies that describe more than the limits.

use super::{
    super::meter::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_EVENTS, MAX_ITEM, MAX_VALUE},
    *,
};

/// A field with a message or text.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        field.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    field.push(length.to_le_bytes()[0]);
    field.extend_from_slice(content);
    field
}

/// A body of protobuf with one span.
fn body(span: &[u8]) -> Vec<u8> {
    field(1, &field(2, &field(2, span)))
}

/// A body of JSON with one span.
fn json(span: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{span}}}]}}]}}]}}"#)
}

/// The number of values in a value.
fn nodes(value: &Value<'_>) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(nodes).sum::<usize>(),
        Value::Object(values) => 1 + values.iter().map(|(_, value)| nodes(value)).sum::<usize>(),
        _ => 1,
    }
}

fn depth(value: &Value<'_>) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[test]
fn hostile_depth_is_cut() {
    // Arrays of one array, 20,000 deep: a recursive reader would need all its stack.
    let mut value = Vec::new();
    for _ in 0..20_000 {
        value = field(5, &field(1, &value));
    }
    let protobuf = body(&field(9, &field(2, &value)));
    let deep = 20_000;
    let open = r#"{"arrayValue":{"values":["#.repeat(deep);
    let close = "]}}".repeat(deep);
    let json = json(&format!(r#""attributes":[{{"value":{open}{close}}}]"#));
    for (body, encoding) in [
        (protobuf, Encoding::Protobuf),
        (json.into_bytes(), Encoding::Json),
    ] {
        let (content, cuts, result) = read::<Span<'_>>(&body, encoding);
        result.unwrap();
        assert_eq!(cuts.deep, 1, "{encoding:?}");
        let (_, _, span, is_cut) = &content.items[0];
        assert!(is_cut);
        assert_eq!(depth(&span.attributes[0].1), MAX_DEPTH);
    }
}

#[test]
fn attributes_beyond_the_limit_are_counted() {
    let count = 100_000;
    let protobuf = body(&field(9, &[]).repeat(count));
    let list = vec!["{}"; count].join(",");
    let json = json(&format!(r#""attributes":[{list}]"#));
    for (body, encoding) in [
        (protobuf, Encoding::Protobuf),
        (json.into_bytes(), Encoding::Json),
    ] {
        let (content, cuts, result) = read::<Span<'_>>(&body, encoding);
        result.unwrap();
        assert_eq!(cuts.attributes, (count - MAX_ATTRIBUTES) as u64);
        let attributes = &content.items[0].2.attributes;
        assert_eq!(attributes.len(), MAX_ATTRIBUTES);
        assert!(attributes.capacity() <= 2 * MAX_ATTRIBUTES);
    }
}

#[test]
fn values_within_values_are_limited_together() {
    // 128 arrays of 128 arrays of 128 empty values: 2 million values in 4 MB.
    let leaves = field(1, &[]).repeat(MAX_ATTRIBUTES);
    let middle = field(1, &field(5, &leaves)).repeat(MAX_ATTRIBUTES);
    let outer = field(1, &field(5, &middle)).repeat(MAX_ATTRIBUTES);
    let body = body(&field(9, &field(2, &field(5, &outer))));
    let (content, cuts, result) = read::<Span<'_>>(&body, Encoding::Protobuf);
    result.unwrap();
    assert!(cuts.attributes > 0);
    let count = nodes(&content.items[0].2.attributes[0].1);
    assert!(count <= MAX_VALUE / 8 + 1, "{count}");
}

#[test]
fn span_is_limited_as_a_whole() {
    let text = "x".repeat(MAX_VALUE - 1);
    let attribute = format!(r#"{{"key":"k","value":{{"stringValue":"{text}"}}}}"#);
    let list = vec![attribute.as_str(); MAX_ATTRIBUTES].join(",");
    let event = format!(r#"{{"attributes":[{list}]}}"#);
    let events = [event.as_str(); 3].join(",");
    let json = json(&format!(r#""attributes":[{list}],"events":[{events}]"#));
    let (content, cuts, result) = read::<Span<'_>>(json.as_bytes(), Encoding::Json);
    result.unwrap();
    assert!(cuts.attributes > 0 && cuts.events > 0);
    let attributes = content.items[0].2.attributes.iter();
    let bytes = attributes.filter_map(|(_, value)| value.text().map(str::len));
    assert!(bytes.sum::<usize>() <= MAX_ITEM);
}

#[test]
fn events_and_links_are_limited() {
    let count = 1000;
    let span = [field(11, &[]).repeat(count), field(13, &[]).repeat(count)].concat();
    let body = body(&span);
    let (content, cuts, result) = read::<Span<'_>>(&body, Encoding::Protobuf);
    result.unwrap();
    let span = &content.items[0].2;
    assert_eq!(
        (span.events.len(), span.links.len()),
        (MAX_EVENTS, MAX_EVENTS)
    );
    assert_eq!(cuts.events, 2 * (count - MAX_EVENTS) as u64);
}

#[test]
fn truncated_body_is_rejected() {
    let request = request(full_span());
    let protobuf = request.encode_to_vec();
    for length in 1..protobuf.len() {
        let (content, _, result) = read::<Span<'_>>(&protobuf[..length], Encoding::Protobuf);
        assert!(result.is_err(), "{length}");
        assert!(content.items.is_empty());
    }
    let json = serde_json::to_vec(&request).unwrap();
    for length in 0..json.len() {
        let (_, _, result) = read::<Span<'_>>(&json[..length], Encoding::Json);
        assert!(result.is_err(), "{length}");
    }
}

#[test]
fn fields_of_another_type_are_rejected() {
    for span in [
        &b"\x08\x01"[..],            // The trace id as a number.
        b"\x2d\0\0\0\0",             // The name as four bytes.
        b"\x38\x01",                 // The start as a number of variable length.
        b"\x48\x01",                 // An attribute as a number.
        b"\x4a\x04\x12\x02\x08\x01", // A text as a number.
    ] {
        let body = body(span);
        let (_, _, result) = read::<Span<'_>>(&body, Encoding::Protobuf);
        assert!(matches!(result, Err(InvalidBody::Protobuf(_))), "{span:?}");
    }
    for span in [
        r#""traceId":1"#,
        r#""name":[]"#,
        r#""kind":"SPAN_KIND_SERVER""#,
        r#""startTimeUnixNano":-1"#,
        r#""startTimeUnixNano":1.5"#,
        r#""attributes":{}"#,
        r#""attributes":[1]"#,
        r#""attributes":[{"value":{"intValue":"x"}}]"#,
    ] {
        let json = json(span);
        let (_, _, result) = read::<Span<'_>>(json.as_bytes(), Encoding::Json);
        assert!(matches!(result, Err(InvalidBody::Json(_))), "{span}");
    }
}
