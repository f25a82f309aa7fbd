//! Any span is the same in both encodings.

use common::any_value::Value as V;
use proptest::{collection::vec, prelude::*};

use super::*;

fn value() -> impl Strategy<Value = common::AnyValue> {
    let leaf = prop_oneof![
        any::<String>().prop_map(V::StringValue),
        any::<bool>().prop_map(V::BoolValue),
        any::<i64>().prop_map(V::IntValue),
        // The reader of JSON rounds decimal fractions, but not these.
        any::<i32>().prop_map(|number| V::DoubleValue(f64::from(number) / 256.0)),
        vec(any::<u8>(), 0..40).prop_map(V::BytesValue),
        // Longer than a value may be.
        (4000..5000_usize).prop_map(|length| V::StringValue("é".repeat(length))),
        (3000..4200_usize).prop_map(|length| V::BytesValue(vec![7; length])),
    ];
    leaf.prop_recursive(20, 60, 4, |inner| {
        let values = vec(inner.prop_map(wrap), 0..4);
        prop_oneof![
            values
                .clone()
                .prop_map(|values| V::ArrayValue(common::ArrayValue { values })),
            values.prop_map(|values| {
                let pairs = values.into_iter().enumerate();
                let pairs = pairs.map(|(index, value)| common::KeyValue {
                    key: format!("k{index}"),
                    value: Some(value),
                    ..Default::default()
                });
                V::KvlistValue(common::KeyValueList {
                    values: pairs.collect(),
                })
            }),
        ]
    })
    .prop_map(wrap)
}

fn attributes() -> impl Strategy<Value = Vec<common::KeyValue>> {
    let attribute = (any::<String>(), value()).prop_map(|(key, value)| common::KeyValue {
        key,
        value: Some(value),
        ..Default::default()
    });
    vec(attribute, 0..6)
}

/// Mostly valid ids.
fn id(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), length),
        1 => Just(vec![0; length]),
        1 => vec(any::<u8>(), 0..20),
    ]
}

fn spans() -> impl Strategy<Value = trace::Span> {
    let ids = (id(16), id(8), id(8));
    let numbers = (any::<u64>(), any::<u64>(), any::<i32>(), any::<i32>());
    let event = (any::<u64>(), any::<String>(), attributes());
    let link = (id(16), id(8), attributes());
    let lists = (attributes(), vec(event, 0..4), vec(link, 0..3));
    (ids, numbers, lists, any::<String>(), any::<String>()).prop_map(
        |(ids, (start, end, kind, code), (attributes, events, links), name, message)| {
            let events = events
                .into_iter()
                .map(|(time, name, attributes)| trace::span::Event {
                    time_unix_nano: time,
                    name,
                    attributes,
                    ..Default::default()
                });
            let links =
                links
                    .into_iter()
                    .map(|(trace_id, span_id, attributes)| trace::span::Link {
                        trace_id,
                        span_id,
                        attributes,
                        ..Default::default()
                    });
            trace::Span {
                trace_id: ids.0,
                span_id: ids.1,
                parent_span_id: ids.2,
                name,
                kind,
                start_time_unix_nano: start,
                end_time_unix_nano: end,
                attributes,
                events: events.collect(),
                links: links.collect(),
                status: Some(trace::Status { message, code }),
                ..Default::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn json_and_protobuf_give_the_same_spans(all in vec(spans(), 0..4)) {
        let mut request = request(trace::Span::default());
        request.resource_spans[0].scope_spans[0].spans = all;
        let protobuf = request.encode_to_vec();
        let json = serde_json::to_vec(&request).unwrap();
        let (left, left_cuts, result) = read::<Span<'_>>(&protobuf, Encoding::Protobuf);
        prop_assert!(result.is_ok());
        let (right, right_cuts, result) = read::<Span<'_>>(&json, Encoding::Json);
        prop_assert!(result.is_ok(), "{:?}", result);
        prop_assert_eq!(left, right);
        prop_assert_eq!(left_cuts, right_cuts);
    }

    #[test]
    fn any_bytes_are_decoded_or_rejected(body in vec(any::<u8>(), 0..300)) {
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            // No panic; both signals have other readers.
            let _ = read::<Span<'_>>(&body, encoding);
            let _ = read::<LogRecord<'_>>(&body, encoding);
        }
    }

    #[test]
    fn damaged_body_is_decoded_or_rejected(
        all in vec(spans(), 1..3),
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut request = request(trace::Span::default());
        request.resource_spans[0].scope_spans[0].spans = all;
        let bodies = [
            (request.encode_to_vec(), Encoding::Protobuf),
            (serde_json::to_vec(&request).unwrap(), Encoding::Json),
        ];
        for (mut body, encoding) in bodies {
            let position = position.index(body.len());
            body[position] = byte;
            let _ = read::<Span<'_>>(&body, encoding);
        }
    }
}
