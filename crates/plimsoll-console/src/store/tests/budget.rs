//! Budgets and eviction.

use proptest::prelude::*;

use super::*;

/// The memory of all blocks, counted again.
fn counted(store: &Store) -> usize {
    let inner = store.lock();
    let segments = inner.services.iter().flat_map(|s| [&s.main, &s.reserve]);
    let blocks = segments.flat_map(|segment| segment.blocks().iter());
    blocks.map(block::Block::bytes).sum()
}

fn assert_within_budget(store: &Store) {
    let numbers = store.numbers();
    assert!(numbers.bytes <= numbers.budget, "{numbers:?}");
    assert!(counted(store) <= numbers.bytes, "{numbers:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn memory_stays_within_its_budget_for_any_input(
        kinds in proptest::collection::vec((0u8..6, 0usize..300, 0usize..70_000), 1..25),
    ) {
        let fixture = Fixture::new(SMALL);
        let mut pushed = 0;
        for (kind, service, length) in kinds {
            let service = fixture.store.service(&format!("{service}{}", "n".repeat(length / 400)));
            let (line, times) = match kind {
                0 => (String::new(), 6_000),
                1 => ("x".repeat(length), 60),
                2 => (record("same", "ERROR", &"e".repeat(length / 20)), 400),
                3 => (access("same", 500, ""), 2_000),
                4 => (format!("{{\"a\":{}}}", "\"\\u0000\"".repeat(length % 2)), 1_000),
                _ => (format!("{}é\u{1b}", "\u{1b}[1mx".repeat(length / 5)), 30),
            };
            for _ in 0..times {
                fixture.push_to(service, &line);
                pushed += 1;
            }
            if kind == 3 {
                fixture.store.begin_run(service, Run { pid: None, began: at(1) });
            }
            assert_within_budget(&fixture.store);
        }
        let numbers = fixture.store.numbers();
        prop_assert_eq!(numbers.records + numbers.evicted, pushed);
    }
}

#[test]
fn noisy_service_evicts_its_own_blocks_first() {
    let fixture = Fixture::new(SMALL);
    let quiet = fixture.store.service("quiet");
    for n in 0..50 {
        fixture.push_to(quiet, &format!("line {n}"));
    }
    fill(&fixture, fixture.service, 8 << 20);
    let numbers = fixture.store.numbers();
    assert!(numbers.evicted > 0);
    assert_eq!(fixture.logs("service:quiet").len(), 50);
    let oldest = |filter| fixture.logs(filter).last().unwrap().n();
    assert!(oldest("service:orders") > 51);
    assert_within_budget(&fixture.store);
    // From a service with the same share, the other one then takes only what is above the share.
    fill(&fixture, quiet, 8 << 20);
    let bytes = |name: &str| {
        let inner = fixture.store.lock();
        let service = inner.services.iter().find(|s| *s.name == *name);
        service.unwrap().main.bytes()
    };
    let (orders, quiet) = (bytes("orders"), bytes("quiet"));
    assert!(orders.abs_diff(quiet) <= 300_000, "{orders} {quiet}");
}

#[test]
fn failures_outlive_their_block() {
    let fixture = Fixture::new(SMALL);
    fixture.run();
    fixture.push(&record("bad", "INFO", "before the failure"));
    fixture.push(&record("good", "INFO", "of a good request"));
    fixture.push(&record("x", "CRITICAL", "of no request"));
    let failed = fixture.push(&access("bad", 503, ""));
    fixture.push(&access("good", 200, ""));
    fill(&fixture, fixture.service, 8 << 20);
    let rows = fixture.requests("");
    assert_eq!(rows.iter().map(|row| row.n).collect::<Vec<_>>(), [failed]);
    assert_eq!(rows[0].records, 2);
    let detail = fixture.store.request(failed).unwrap();
    assert_eq!(ns(&detail.records), [2, failed]);
    let kept = fixture.logs("text:of");
    assert_eq!(ns(&kept), [4]);
    // The reserve has a budget of its own.
    for _ in 0..40_000 {
        fixture.push(&access("bad", 500, ""));
    }
    fill(&fixture, fixture.service, 4 << 20);
    assert!(fixture.store.request(failed).is_none());
    assert_within_budget(&fixture.store);
    let numbers = fixture.store.numbers();
    assert_eq!(numbers.requests, fixture_requests(&fixture));
}

/// Counts the requests page by page.
fn fixture_requests(fixture: &Fixture) -> u64 {
    let mut count = 0;
    let mut before = None;
    loop {
        let page = fixture.store.requests(&Filter::default(), before, 500);
        count += page.items.len() as u64;
        before = page.next;
        if before.is_none() {
            return count;
        }
    }
}

#[test]
fn oldest_is_the_time_from_which_all_is_kept() {
    let fixture = Fixture::new(SMALL);
    let push = |second| {
        let line = format!("#{second}# {}", "x".repeat(100));
        fixture
            .store
            .push(fixture.service, Stream::Stdout, at(second), line.as_bytes());
    };
    push(3);
    push(4);
    assert_eq!(fixture.store.numbers().oldest, Some((BASE + 3) as f64));
    for second in 5..60_000 {
        push(second);
    }
    let numbers = fixture.store.numbers();
    assert!(numbers.evicted > 0);
    let oldest = 3 + numbers.evicted;
    assert_eq!(numbers.oldest, Some((BASE + oldest) as f64));
    assert_eq!(fixture.logs(&format!("#{oldest}#")).len(), 1);
    assert_eq!(fixture.logs(&format!("#{}#", oldest - 1)).len(), 0);
}

#[test]
fn services_beyond_the_limit_share_one() {
    let store = Store::new(SMALL);
    let ids: Vec<ServiceId> = (0..400).map(|n| store.service(&format!("s{n}"))).collect();
    assert_eq!(ids[399], ids[398]);
    assert_eq!(store.service("s5"), ids[5]);
    assert_eq!(&*store.name(ids[399]).unwrap(), "(other services)");
    assert_within_budget(&store);
    let long = "é".repeat(100);
    let store = Store::new(SMALL);
    assert_eq!(store.service(&long), store.service(&format!("{long}x")));
}
