//! Joins of records to requests.

use super::*;

fn detail(fixture: &Fixture, n: u64) -> (Vec<u64>, bool) {
    let detail = fixture.store.request(n).unwrap();
    assert_eq!(detail.request.row.records, detail.records.len());
    (ns(&detail.records), detail.repeated_id)
}

#[test]
fn records_join_by_request_id() {
    let fixture = Fixture::new(SMALL);
    let first = fixture.push(&record("a", "INFO", "1"));
    fixture.push(&record("b", "INFO", "2"));
    fixture.push(&record("-", "INFO", "3"));
    let other = fixture.store.service("other");
    fixture.push_to(other, &record("a", "INFO", "of another service"));
    let request = fixture.push(&access("a", 200, ""));
    let late = fixture.push(&record("a", "INFO", "after the end"));
    assert_eq!(
        detail(&fixture, request),
        (vec![first, request, late], false)
    );
    assert_eq!(fixture.requests("")[0].records, 3);
    // A record that is no request, and one that does not exist.
    assert!(fixture.store.request(first).is_none());
    assert!(fixture.store.request(99).is_none());
}

#[test]
fn repeated_id_is_marked() {
    let fixture = Fixture::new(SMALL);
    let a1 = fixture.push(&record("a", "INFO", "1"));
    let a2 = fixture.push(&access("a", 200, ""));
    let b1 = fixture.push(&record("a", "INFO", "2"));
    let b2 = fixture.push(&access("a", 200, ""));
    let late = fixture.push(&record("a", "INFO", "3"));
    assert_eq!(detail(&fixture, a2), (vec![a1, a2], true));
    assert_eq!(detail(&fixture, b2), (vec![b1, b2, late], true));
    for _ in 0..50_000 {
        fixture.push(&access("same", 200, ""));
    }
    let rows = fixture.requests("id:same");
    assert!(rows.iter().all(|row| row.records == 1));
}

#[test]
fn same_id_in_another_run_is_another_request() {
    let fixture = Fixture::new(SMALL);
    assert_eq!(fixture.run(), 1);
    let a1 = fixture.push(&record("a", "INFO", "1"));
    let a2 = fixture.push(&access("a", 200, ""));
    fixture
        .store
        .end_run(fixture.service, at(1), Exit::Status(3));
    assert_eq!(fixture.run(), 2);
    let b = fixture.push(&access("a", 200, ""));
    assert_eq!(detail(&fixture, a2), (vec![a1, a2], false));
    assert_eq!(detail(&fixture, b), (vec![b], false));
    let runs: Vec<_> = fixture.store.state().services[0]
        .runs
        .iter()
        .map(|run| (run.run, run.requests, run.records, run.exit))
        .collect();
    assert_eq!(runs, [(1, 1, 2, Some(Exit::Status(3))), (2, 1, 1, None)]);
    assert_eq!(fixture.requests("run:1").len(), 1);
}

#[test]
fn records_join_by_trace_across_services() {
    let fixture = Fixture::new(SMALL);
    let other = fixture.store.service("billing");
    let trace = r#","traceId":"4bf9""#;
    let with_trace =
        |id: &str| format!(r#"{{"message":"m","request_id":"{id}","traceId":"4bf9"}}"#);
    let theirs = fixture.push_to(other, &access("b", 200, trace));
    let own = fixture.push(&with_trace("a"));
    let without_id = fixture.push(r#"{"message":"m","trace_id":"4bf9"}"#);
    fixture.push(&with_trace("another request"));
    let request = fixture.push(&access("a", 200, trace));
    let all = vec![theirs, own, without_id, request];
    assert_eq!(detail(&fixture, request), (all, false));
    assert_eq!(fixture.store.trace("4bf9", 100).len(), 5);
    assert_eq!(fixture.store.trace("4bf", 100).len(), 0);
    let requests = fixture.store.trace_requests("4bf9", 100);
    assert_eq!(
        requests.iter().map(|row| row.n).collect::<Vec<_>>(),
        [theirs, request]
    );
}

#[test]
fn chains_are_complete_after_growth_and_eviction() {
    let fixture = Fixture::new(SMALL);
    let ids = 500;
    let mut last = std::collections::HashMap::new();
    for n in 0..60_000 {
        let id = format!("{}", n % ids);
        let pushed = fixture.push(&record(&id, "INFO", "some text"));
        last.entry(id).or_insert_with(Vec::new).push(pushed);
    }
    assert!(fixture.store.numbers().evicted > 0);
    for id in 0..ids {
        let id = id.to_string();
        let request = fixture.push(&access(&id, 200, ""));
        let (found, _) = detail(&fixture, request);
        let mut expected = last[&id].clone();
        expected.push(request);
        let oldest = fixture.store.lock().services[0].main.blocks()[0].first_n();
        expected.retain(|n| *n >= oldest);
        assert_eq!(found, expected);
    }
}
