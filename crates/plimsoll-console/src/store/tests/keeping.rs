//! Every line is kept or counted.

use proptest::prelude::*;

use super::*;
use crate::ingest::lines::{Lines, MAX_LINE};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_line_is_kept_or_counted(
        lines in proptest::collection::vec(
            prop_oneof![
                "\\PC{0,20}".prop_map(String::into_bytes),
                proptest::collection::vec(any::<u8>().prop_filter("no line end", |b| *b != b'\n'), 0..30),
                "[a-z]{1,8}".prop_map(|text| record("1", "INFO", &text).into_bytes()),
                (MAX_LINE - 2..MAX_LINE + 3).prop_map(|length| vec![b'x'; length]),
                (MAX_LINE / 3..MAX_LINE / 2).prop_map(|length| vec![0xff; length]),
            ],
            0..20,
        ),
        part in 1usize..5000,
    ) {
        let fixture = Fixture::new(64 << 20);
        let mut bytes = lines.join(&b'\n');
        bytes.push(b'\n');
        let mut splitter = Lines::default();
        for part in bytes.chunks(part) {
            splitter.feed(part, |line| {
                fixture.store.push(fixture.service, Stream::Stdout, at(0), line);
            });
        }
        let numbers = fixture.store.numbers();
        let pushed = lines.len().max(1) as u64;
        prop_assert_eq!(numbers.records, pushed);
        let rows = fixture.logs("");
        prop_assert_eq!(ns(&rows), (1..=pushed).rev().collect::<Vec<_>>());
        let is_long = |line: &&Vec<u8>| {
            line.len() > MAX_LINE || String::from_utf8_lossy(line).len() > MAX_LINE
        };
        prop_assert_eq!(numbers.cut, lines.iter().filter(is_long).count() as u64);
        let unreadable = lines.iter().filter(|line| std::str::from_utf8(line).is_err()).count();
        prop_assert_eq!(numbers.unreadable, unreadable as u64);
        for (row, line) in rows.iter().rev().zip(&lines) {
            let LogRow::Record(row) = row else { panic!("{row:?}") };
            prop_assert_eq!(row.cut, is_long(&line));
            if row.text && !row.cut {
                let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
                prop_assert_eq!(&row.message, &text::clean(&line));
            }
        }
    }
}

#[test]
fn text_is_kept_without_escape_sequences() {
    let fixture = Fixture::new(SMALL);
    fixture.push("  \u{1b}[31merror\u{1b}[0m\r");
    let LogRow::Record(row) = &fixture.logs("")[0] else {
        panic!()
    };
    assert_eq!(row.message, "  error");
    assert!(row.text && row.level.is_none());
}

#[test]
fn absent_value_never_becomes_zero() {
    let fixture = Fixture::new(SMALL);
    fixture.push(r#"{"message":"http_request","method":"GET"}"#);
    let row = serde_json::to_value(&fixture.requests("")[0]).unwrap();
    for name in [
        "status", "ms", "id", "trace", "level", "spans", "route", "query",
    ] {
        assert!(row[name].is_null(), "{name}: {row}");
    }
    assert_eq!(row["start"], BASE as f64);
    // An absent value matches no comparison with zero.
    assert!(fixture.requests("ms<1").is_empty());
    assert!(fixture.requests("status<100").is_empty());
    assert_eq!(fixture.requests("-status<100").len(), 1);
    let empty = Fixture::new(SMALL);
    assert_eq!(empty.store.numbers().oldest, None);
    assert_eq!(empty.store.latest(), 0);
}

#[test]
fn sealed_blocks_are_read_like_open_ones() {
    let fixture = Fixture::new(16 << 20);
    let lines: Vec<String> = (0..20_000)
        .map(|n| record(&n.to_string(), "INFO", &format!("message {n}")))
        .collect();
    for line in &lines {
        fixture.push(line);
    }
    let numbers = fixture.store.numbers();
    assert_eq!((numbers.records, numbers.evicted), (20_000, 0));
    let size: usize = lines.iter().map(String::len).sum();
    assert!(
        size > 1 << 20 && numbers.bytes < 20_000 * 64 + size,
        "{numbers:?}"
    );
    let mut before = None;
    let mut expected = 20_000;
    loop {
        let page = fixture.store.logs(&Filter::default(), before, 777);
        for row in &page.items {
            let LogRow::Record(row) = row else { panic!() };
            assert_eq!(row.n, expected);
            assert_eq!(row.message, format!("message {}", expected - 1));
            expected -= 1;
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(expected, 0);
}
