//! Cursors of streams.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn cursor_resumes_without_loss_or_repeat(
        steps in proptest::collection::vec((0usize..3, 0usize..120), 1..12),
        max in 1usize..200,
    ) {
        let fixture = Fixture::new(64 << 20);
        let other = fixture.store.service("other");
        let filter = Filter::parse("text:wanted").unwrap();
        let mut cursor = fixture.push("first");
        let mut expected = Vec::new();
        let mut seen = Vec::new();
        let mut skipped = 0;
        for (kind, count) in steps {
            for _ in 0..count {
                let service = if kind == 1 { other } else { fixture.service };
                let line = if kind == 2 { "no" } else { "wanted" };
                let n = fixture.push_to(service, line);
                if kind != 2 {
                    expected.push(n);
                }
            }
            let changes = fixture.store.logs_after(&filter, cursor, max);
            prop_assert!(changes.rows.len() <= max);
            prop_assert_eq!(changes.gap, None);
            // Left out rows are the oldest of their step.
            let rows = ns(&changes.rows);
            let new = expected.iter().filter(|n| **n > cursor).count();
            prop_assert_eq!(rows.len() as u64 + changes.skipped, new as u64);
            prop_assert_eq!(&rows[..], &expected[expected.len() - rows.len()..]);
            skipped += changes.skipped;
            seen.extend(rows);
            cursor = changes.cursor;
        }
        prop_assert!(seen.is_sorted());
        prop_assert_eq!(seen.len() as u64 + skipped, expected.len() as u64);
        let none = fixture.store.logs_after(&filter, cursor, max);
        prop_assert!(none.rows.is_empty() && none.skipped == 0);
    }
}

#[test]
fn evicted_cursor_is_reported_as_gap() {
    let fixture = Fixture::new(SMALL);
    let quiet = fixture.store.service("quiet");
    let read_to = fixture.push("read");
    fixture.push_to(quiet, "kept");
    fill(&fixture, fixture.service, 8 << 20);
    let all = Filter::default();
    let changes = fixture.store.logs_after(&all, read_to, 5);
    let gap = changes.gap.unwrap();
    assert_eq!(gap.from, read_to + 1);
    let kept = fixture
        .store
        .logs(&Filter::parse("service:orders").unwrap(), None, 10_000);
    assert_eq!(gap.to, kept.items.last().unwrap().n() - 1);
    let lost = fixture.store.numbers().evicted - 1;
    assert_eq!(
        gap.to - gap.from + 1,
        lost + 1,
        "the kept line of the quiet service is between"
    );
    // Nothing of the quiet service was lost, and nothing after the evicted records.
    let quiet = Filter::parse("service:quiet").unwrap();
    assert_eq!(fixture.store.logs_after(&quiet, read_to, 5).gap, None);
    assert_eq!(fixture.store.logs_after(&all, gap.to, 5).gap, None);
    // A new client has missed nothing.
    let first = fixture.store.logs_after(&all, 0, 5);
    assert_eq!((first.gap, first.skipped, first.rows.len()), (None, 0, 5));
}

#[test]
fn first_step_has_the_newest_rows() {
    let fixture = Fixture::new(SMALL);
    for n in 0..300 {
        fixture.push(&access(&n.to_string(), 200, ""));
        fixture.push("text");
    }
    let changes = fixture.store.requests_after(&Filter::default(), 0, 200);
    assert_eq!((changes.cursor, changes.rows.len()), (600, 200));
    assert_eq!(changes.rows[199].n, 599);
    let later = fixture.store.requests_after(&Filter::default(), 500, 20);
    assert_eq!((later.rows.len(), later.skipped), (20, 30));
}
