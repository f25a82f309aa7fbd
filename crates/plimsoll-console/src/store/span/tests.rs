//! Order, joins, eviction and the budget.

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json, value::RawValue};

use super::*;
use crate::store::{Members, RequestDetail, RequestRow, row::RequestFull};

const DETAIL: &[u8] = br#"{"name":"a","attributes":{}}"#;

const LETTERS: &[u8; 23] = b"abcdefghijklmnopqrstuvw";

fn trace(number: u8) -> TraceId {
    TraceId::from_bytes(&[number; 16]).unwrap()
}

fn id(number: u8) -> SpanId {
    SpanId::from_bytes(&[number; 8]).unwrap()
}

/// A span of trace 1, which takes a second.
fn span(number: u8, parent: Option<u8>, start: u64) -> NewSpan<'static> {
    NewSpan {
        trace: trace(1),
        id: id(number),
        parent: parent.map(id),
        service: ServiceId(0),
        run: None,
        kind: SpanKind::Internal,
        status: SpanStatus::Unset,
        start,
        end: start + 1_000_000_000,
        detail: DETAIL,
    }
}

fn store(all: &[NewSpan<'_>]) -> Spans {
    let spans = Spans::new(1 << 20);
    for span in all {
        spans.push(span);
    }
    spans
}

fn detail(spans: &Spans) -> TraceDetail {
    let name = |service: ServiceId| format!("service{}", service.0);
    spans.trace(&trace(1), name).unwrap()
}

/// The ids of the answer: the first digit of each.
fn order(spans: &Spans) -> Vec<u8> {
    let spans = detail(spans).spans;
    let digit = |span: SpanDetail| u8::from_str_radix(&span.id.to_string()[..2], 16).unwrap();
    spans.into_iter().map(digit).collect()
}

#[test]
fn span_is_returned_with_all_members() {
    let detail = json!({
        "name": "GET /orders/{id}", "error": "timed out",
        "attributes": {"http.route": "/orders/{id}", "big": 9_007_199_254_740_991_u64},
        "events": [{"name": "exception", "time": 1.5, "attributes": {}}],
        "scope": {"name": "axum"}, "cut": true,
    });
    let text = detail.to_string();
    let spans = store(&[NewSpan {
        run: Some(2),
        kind: SpanKind::Server,
        status: SpanStatus::Error,
        start: 1_795_933_383_610_123_456,
        end: 1_795_933_383_622_523_456,
        detail: text.as_bytes(),
        ..span(1, None, 0)
    }]);
    let answer = serde_json::to_value(self::detail(&spans)).unwrap();
    let expected = json!({
        "trace": "01".repeat(16),
        "spans": [{
            "id": "01".repeat(8), "parent": null, "name": "GET /orders/{id}",
            "service": "service0", "run": 2, "start": 1_795_933_383.610_123, "ms": 12.4,
            "kind": "server", "status": "error", "error": "timed out",
            "attributes": detail["attributes"], "events": detail["events"], "links": [],
            "scope": {"name": "axum"}, "cut": true,
        }],
        "missingParents": [],
        "omitted": 0,
    });
    assert_eq!(answer, expected);
}

#[test]
fn absent_value_never_becomes_zero() {
    let spans = store(&[NewSpan {
        end: 0,
        detail: b"{}",
        ..span(1, None, 0)
    }]);
    let answer = serde_json::to_value(detail(&spans)).unwrap();
    let span = &answer["spans"][0];
    for member in ["parent", "run", "start", "ms", "status", "error", "scope"] {
        assert_eq!(span[member], Value::Null, "{member}");
    }
    assert_eq!(spans.count(&trace(2)), None);
    assert!(spans.trace(&trace(2), |_| String::new()).is_none());
}

#[test]
fn tree_order_is_independent_of_arrival() {
    let spans = store(&[
        span(5, Some(3), 30),
        span(4, Some(1), 25),
        span(3, Some(1), 20),
        span(1, None, 10),
        span(2, None, 5),
    ]);
    assert_eq!(order(&spans), [2, 1, 3, 5, 4]);
    assert!(detail(&spans).missing_parents.is_empty());
    assert_eq!(spans.count(&trace(1)), Some(5));
}

#[test]
fn missing_parent_is_marked() {
    let spans = store(&[
        span(1, Some(9), 10),
        span(2, Some(1), 20),
        span(3, Some(8), 5),
        span(4, Some(9), 6),
    ]);
    assert_eq!(order(&spans), [3, 4, 1, 2]);
    assert_eq!(detail(&spans).missing_parents, [id(8), id(9)]);
}

#[test]
fn clock_skew_is_shown_raw() {
    // The child begins before its parent and ends before its own start.
    let spans = store(&[
        span(1, None, 5_000_000_000),
        NewSpan {
            end: 2_999_000_000,
            ..span(2, Some(1), 3_000_000_000)
        },
    ]);
    let detail = detail(&spans);
    assert_eq!(order(&spans), [1, 2]);
    let times: Vec<_> = detail
        .spans
        .iter()
        .map(|span| (span.start, span.ms))
        .collect();
    assert_eq!(times, [(Some(5.0), Some(1000.0)), (Some(3.0), Some(-1.0))]);
}

#[test]
fn cycles_and_repeated_ids_are_listed_once() {
    let spans = store(&[
        span(1, Some(2), 10),
        span(2, Some(1), 20),
        span(3, Some(3), 5),
        span(4, None, 30),
        // Sent again.
        span(4, None, 30),
        // The same id for another span.
        span(4, None, 40),
        span(5, Some(4), 50),
    ]);
    assert_eq!(order(&spans), [4, 5, 4, 3, 1, 2]);
}

#[test]
fn long_chain_needs_no_stack() {
    let spans = Spans::new(16 << 20);
    let number = |index: u64| SpanId::from_bytes(&index.to_be_bytes()).unwrap();
    for index in 1..=MAX_SPANS as u64 + 7 {
        spans.push(&NewSpan {
            id: number(index),
            parent: (index > 1).then(|| number(index - 1)),
            ..span(1, None, 5)
        });
    }
    let detail = detail(&spans);
    assert_eq!((detail.spans.len(), detail.omitted), (MAX_SPANS, 7));
}

/// LOG-14
#[test]
fn request_is_found_by_span_or_by_kind() {
    let server = |number, service| NewSpan {
        kind: SpanKind::Server,
        service: ServiceId(service),
        ..span(number, None, 10)
    };
    let spans = store(&[span(1, None, 5), server(2, 0), server(3, 1)]);
    let of = |span: Option<u8>, service| {
        spans.of_request(&trace(1), span.map(id).as_ref(), ServiceId(service))
    };
    assert_eq!(of(Some(1), 1), Some(id(1)));
    assert_eq!(of(Some(7), 1), None);
    assert_eq!(of(None, 0), Some(id(2)));
    assert_eq!(of(None, 1), Some(id(3)));
    assert_eq!(of(None, 2), None);
}

/// LOG-14
#[test]
fn request_has_the_spans_of_its_trace() {
    let row = |trace: &str| RequestRow {
        n: 1,
        service: "orders".into(),
        run: 1,
        start: 0.0,
        method: None,
        route: None,
        path: None,
        query: None,
        status: None,
        ms: None,
        id: None,
        trace: Some(trace.to_owned()),
        aborted: false,
        level: None,
        records: 1,
        spans: None,
    };
    let spans = store(&[span(1, Some(9), 10), span(2, Some(1), 20)]);
    let own = RawValue::from_string(format!("\"{}\"", id(2))).unwrap();
    let mut detail = RequestDetail {
        request: RequestFull {
            row: row(&trace(1).to_string()),
            ip: None,
            user_agent: None,
            fields: Members(vec![("spanId".to_owned(), own)]),
        },
        records: Vec::new(),
        spans: Vec::new(),
        missing_parents: Vec::new(),
        repeated_id: false,
    };
    spans.complete(&mut detail, |_| ServiceId(0), |_| "orders".to_owned());
    assert_eq!(detail.request.row.spans, Some(2));
    assert_eq!(detail.missing_parents, [id(9).to_string()]);
    let marks: Vec<_> = detail
        .spans
        .iter()
        .map(|span| span.get("request").is_some())
        .collect();
    assert_eq!(marks, [false, true]);

    let mut rows = [row(&trace(3).to_string()), row("no id")];
    spans.count_in(&mut rows);
    assert_eq!([rows[0].spans, rows[1].spans], [None, None]);
}

#[test]
fn sealed_blocks_are_read_back() {
    let spans = Spans::new(4 << 20);
    let text = |index: usize| format!(r#"{{"name":"{index}","attributes":{{"a":"{:0900}"}}}}"#, 0);
    for index in 1..=200 {
        let id = SpanId::from_bytes(&(index as u64).to_be_bytes()).unwrap();
        let text = text(index);
        spans.push(&NewSpan {
            id,
            detail: text.as_bytes(),
            ..span(1, None, index as u64)
        });
    }
    // 180 kB of text, most of it compressed.
    assert!(spans.state().bytes < 150_000, "{}", spans.state().bytes);
    let names: Vec<_> = detail(&spans)
        .spans
        .into_iter()
        .map(|span| span.name)
        .collect();
    let expected: Vec<_> = (1..=200).map(|index| index.to_string()).collect();
    assert_eq!(names, expected);
}

#[test]
fn noisy_service_evicts_its_own_blocks_first() {
    let spans = Spans::new(1 << 20);
    spans.push(&NewSpan {
        service: ServiceId(1),
        trace: trace(2),
        ..span(1, None, 1)
    });
    let text: String = (0..20_000)
        .map(|n| char::from(b'a' + (n * n % 23) as u8))
        .collect();
    for index in 1..=20_000_usize {
        let noise = format!(r#"{{"name":"{index}{}"}}"#, &text[index / 2..][..200]);
        spans.push(&NewSpan {
            id: SpanId::from_bytes(&(index as u64).to_be_bytes()).unwrap(),
            detail: noise.as_bytes(),
            ..span(1, None, 1)
        });
    }
    let state = spans.state();
    assert!(state.evicted > 1000, "{state:?}");
    assert_eq!(state.spans + state.evicted, state.received);
    assert_eq!(spans.count(&trace(2)), Some(1));
    assert!(u64::from(spans.count(&trace(1)).unwrap()) == state.spans - 1);
}

/// A span of any size for any service and trace.
fn any_span() -> impl Strategy<Value = (u16, u64, u64, usize, bool)> {
    (
        0..4_u16,
        1..40_u64,
        any::<u64>(),
        0..9_000_usize,
        any::<bool>(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn memory_stays_within_its_budget_for_any_input(
        all in vec(any_span(), 0..400),
        budget in 0..300_000_usize,
    ) {
        let spans = Spans::new(budget);
        for (index, &(service, number, start, length, is_own)) in all.iter().enumerate() {
            let number = if is_own { index as u64 + 100 } else { number };
            let name: String = (0..length).map(|at| char::from(LETTERS[at * at % 23])).collect();
            let text = format!(r#"{{"name":"{name}"}}"#);
            spans.push(&NewSpan {
                trace: TraceId::from_bytes(&u128::from(number).to_be_bytes()).unwrap(),
                id: SpanId::from_bytes(&(index as u64 + 1).to_be_bytes()).unwrap(),
                service: ServiceId(service),
                detail: text.as_bytes(),
                end: start,
                start,
                ..span(1, None, 0)
            });
            let state = spans.state();
            prop_assert!(state.bytes <= budget || state.spans == 0, "{:?}", state);
            prop_assert_eq!(state.spans + state.evicted, state.received);
        }
        // The counts are those of what is there.
        let inner = spans.lock();
        let blocks: usize = inner.queues.iter().flat_map(|queue| &queue.blocks).map(Block::bytes).sum();
        prop_assert_eq!(blocks, inner.queues.iter().map(|queue| queue.bytes).sum::<usize>());
        prop_assert_eq!(inner.places, inner.traces.values().map(list_bytes).sum::<usize>());
        let places: usize = inner.traces.values().map(Vec::len).sum();
        prop_assert_eq!(places as u64, inner.spans);
        for (trace, places) in &inner.traces {
            for place in places {
                prop_assert_eq!(inner.entry(*place).map(|entry| entry.trace), Some(*trace));
            }
        }
    }
}
