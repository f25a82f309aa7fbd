//! SRV: late and invalid request heads.

use super::*;

#[test]
fn late_and_invalid_heads_are_rejected() {
    let half = |done, outcome| {
        let half = timed("half", 0, done, outcome);
        judge("SRV-1:head", &started([half], &[]))
    };
    assert_eq!(half(1000, Outcome::Lost), Some(true));
    assert_eq!(half(1000, response(408, &[], "")), Some(true));
    assert_eq!(half(3000, Outcome::Lost), Some(true));
    assert_eq!(half(500, Outcome::Lost), Some(true));
    assert_eq!(half(499, Outcome::Lost), None);
    assert_eq!(half(3001, Outcome::Lost), Some(false));
    assert_eq!(half(1000, Outcome::Late), Some(false));
    assert_eq!(
        judge_response("SRV-3:host", "host", response(400, &[], "")),
        Some(true)
    );
    assert_eq!(
        judge_response("SRV-3:host", "host", response(200, &[], "")),
        Some(false)
    );
}

/// The exchanges of the probes about framing: the first one with these outcomes, the others rejected.
fn framing(first: Outcome, second: Outcome) -> Evidence {
    let mut exchanges = vec![
        exchange("control", response(200, &[], "ok\n")),
        exchange("ambiguous", first),
        exchange("canary", second),
    ];
    for _ in 0..13 {
        exchanges.push(exchange("ambiguous", response(400, &[], "")));
        exchanges.push(exchange("canary", Outcome::Lost));
    }
    started(exchanges, &[])
}

#[test]
fn nothing_behind_an_ambiguous_request_is_handled() {
    let status = |status| response(status, &[], "");
    let canary = |first, second| judge("SRV-3:canary", &framing(first, second));
    assert_eq!(canary(status(400), Outcome::Lost), Some(true));
    assert_eq!(canary(status(404), status(400)), Some(true));
    assert_eq!(canary(status(404), status(200)), Some(false));
    assert_eq!(canary(Outcome::Late, Outcome::Late), Some(true));
    let rejected = |first| judge("SRV-3:framing", &framing(first, Outcome::Lost));
    assert_eq!(rejected(status(400)), Some(true));
    assert_eq!(rejected(status(501)), Some(true));
    assert_eq!(rejected(Outcome::Lost), Some(true));
    assert_eq!(rejected(status(404)), Some(false));
    assert_eq!(rejected(Outcome::Late), Some(false));
    let mut late = framing(Outcome::Late, Outcome::Late);
    late.lag = Duration::from_secs(1);
    assert_eq!(judge("SRV-3:framing", &late), None);
}

#[test]
fn long_heads_and_bodies_are_rejected() {
    let head = |outcome| judge_response("SRV-3:large", "long head", outcome);
    assert_eq!(head(response(431, &[], "")), Some(true));
    assert_eq!(head(response(200, &[], "")), Some(false));
    assert_eq!(head(Outcome::Lost), None);
    let body = |outcome| {
        let evidence = started([exchange("long", outcome)], &[]);
        judge("SRV-3:body", &with_routes(evidence))
    };
    assert_eq!(body(response(413, &[], "")), Some(true));
    assert_eq!(body(response(200, &[], "")), Some(false));
    assert_eq!(body(Outcome::Lost), Some(false));
    assert_eq!(judge("SRV-3:body", &started([], &[])), None);
}

#[test]
fn unread_body_ends_no_connection_unannounced() {
    let unread = |headers, second| {
        let first = exchange("unread", response(404, headers, ""));
        judge(
            "SRV-3:unread",
            &started([first, exchange("after unread", second)], &[]),
        )
    };
    let ok = response(200, &[], "");
    assert_eq!(unread(&[], ok), Some(true));
    assert_eq!(
        unread(&[("connection", "close")], Outcome::Lost),
        Some(true)
    );
    assert_eq!(unread(&[], Outcome::Lost), Some(false));
}

#[test]
fn connections_and_handlers_have_time_limits() {
    for (id, name) in [("SRV-1:idle", "idle"), ("SRV-1:body", "stalled")] {
        let judge = |done, outcome| {
            let evidence = started([timed(name, 0, done, outcome)], &[]);
            judge(id, &with_routes(evidence))
        };
        assert_eq!(judge(1000, Outcome::Lost), Some(true));
        assert_eq!(judge(0, Outcome::Refused), None);
        assert_eq!(judge(3001, Outcome::Lost), Some(false));
        assert_eq!(judge(3001, Outcome::Late), Some(false));
    }
    for (id, name, status, limit, early) in [
        ("SRV-2:handler", "too slow", 503, 2000, Some(false)),
        ("SRV-2:stall", "stalled", 408, 1000, None),
    ] {
        let after = |time, outcome| {
            let evidence = started([timed(name, 0, time, outcome)], &[]);
            judge(id, &with_routes(evidence))
        };
        assert_eq!(after(limit / 2 - 1, response(status, &[], "")), early);
        let judge = |outcome| after(limit, outcome);
        assert_eq!(judge(response(status, &[], "")), Some(true));
        assert_eq!(judge(response(200, &[], "")), Some(false));
        assert_eq!(judge(Outcome::Lost), Some(false));
        assert_eq!(judge(response(404, &[], "")), None);
        assert_eq!(super::judge(id, &started([], &[])), None);
    }
    let reader = |outcome| judge_response("SRV-1:write", "slow reader", outcome);
    assert_eq!(reader(Outcome::Lost), Some(true));
    assert_eq!(reader(Outcome::Late), Some(false));
    assert_eq!(reader(Outcome::Refused), None);
    assert_eq!(reader(response(200, &[], "")), Some(false));
    assert_eq!(reader(response(200, &[("connection", "close")], "")), None);
    assert_eq!(judge("SRV-1:write", &started([], &[])), None);
}

#[test]
fn limits_reject_what_exceeds_them() {
    let silent = |open: usize| {
        let outcomes = (0..60).map(|number| match number < open {
            true => Outcome::Late,
            false => Outcome::Lost,
        });
        let exchanges: Vec<Exchange> = outcomes.map(|it| exchange("silent", it)).collect();
        judge("SRV-4:evicted", &started(exchanges, &[]))
    };
    assert_eq!(silent(50), Some(true));
    assert_eq!(silent(51), Some(false));
    for id in ["SRV-4:served", "SRV-6:beside"] {
        assert_eq!(
            judge_response(id, "beside", response(200, &[], "")),
            Some(true)
        );
        assert_eq!(judge_response(id, "beside", Outcome::Late), Some(false));
    }
    let shed = |outcomes: Vec<(u64, Outcome)>| {
        let slow = outcomes
            .into_iter()
            .map(|(done, it)| timed("slow", 0, done, it));
        judge(
            "SRV-4:shed",
            &with_routes(started(slow.collect::<Vec<_>>(), &[])),
        )
    };
    let ok = |done| (done, response(200, &[], ""));
    let busy = |headers| (5, response(503, headers, ""));
    assert_eq!(
        shed(vec![ok(1000), ok(1010), busy(&[("retry-after", "1")])]),
        Some(true)
    );
    assert_eq!(shed(vec![ok(1000), ok(1010), busy(&[])]), Some(false));
    assert_eq!(shed(vec![ok(1000), ok(1010), ok(1020)]), Some(false));
    // They can have run one after the other.
    assert_eq!(shed(vec![ok(1000), ok(1010), ok(2020)]), None);
}

#[test]
fn connections_that_cannot_be_opened_prove_nothing() {
    for (id, name) in [
        ("ADM-4:silent", "admin"),
        ("SRV-4:evicted", "silent"),
        ("SRV-4:served", "beside"),
        ("SRV-6:beside", "beside"),
    ] {
        let judge = |unopened| {
            let ok = response(200, &[], "");
            let exchanges = [exchange("listener", ok.clone()), exchange(name, ok)];
            let evidence = Evidence {
                unopened,
                ..started(exchanges, &[])
            };
            judge(id, &evidence)
        };
        assert_eq!(judge(0), Some(true), "{id}");
        assert_eq!(judge(1), None, "{id}");
    }
}

#[test]
fn old_connection_is_closed_announced() {
    let age = |outcomes: Vec<(u64, Outcome)>| {
        let aged = outcomes
            .into_iter()
            .map(|(at, it)| timed("aged", at, at, it));
        judge("SRV-8:age", &started(aged.collect::<Vec<_>>(), &[]))
    };
    let open = |at| (at, response(200, &[], ""));
    let closes = |at| (at, response(200, &[("connection", "close")], ""));
    assert_eq!(age(vec![open(0), closes(1000)]), Some(true));
    assert_eq!(age(vec![open(0), closes(100)]), Some(false));
    assert_eq!(age(vec![open(0), open(3000)]), Some(false));
    assert_eq!(age(vec![open(0), (1000, Outcome::Lost)]), Some(false));
    assert_eq!(age(vec![closes(0)]), None);
}

#[test]
fn panic_makes_a_response_a_record_and_a_count() {
    let scrape = |name, count: u32| {
        let text = format!("panics_total {count}\n");
        exchange(
            name,
            response(200, &[("content-type", "text/plain")], &text),
        )
    };
    let judge_panic = |id: &str, status, count, lines: &[&str]| {
        let headers = [("x-request-id", "nonce-of-panic")];
        let panic = exchange("panic", response(status, &headers, ""));
        let exchanges = [scrape("before", 1), panic, scrape("after", count)];
        judge(id, &with_routes(started(exchanges, lines)))
    };
    assert_eq!(judge_panic("SRV-5:response", 500, 2, &[]), Some(true));
    assert_eq!(judge_panic("SRV-5:response", 200, 2, &[]), Some(false));
    assert_eq!(judge_panic("SRV-5:count", 500, 2, &[]), Some(true));
    assert_eq!(judge_panic("SRV-5:count", 500, 1, &[]), Some(false));
    assert_eq!(judge_panic("SRV-5:count", 500, 3, &[]), Some(false));
    let record =
        r#"{"levelname":"ERROR","message":"panic","request_id":"nonce-of-panic","location":"a:1"}"#;
    assert_eq!(judge_panic("SRV-5:record", 500, 2, &[record]), Some(true));
    assert_eq!(
        judge_panic("SRV-5:record", 500, 2, &[record, record]),
        Some(false)
    );
    assert_eq!(judge_panic("SRV-5:record", 500, 2, &[]), Some(false));
}

#[test]
fn blocked_worker_is_logged_with_its_request() {
    let stuck_after = |took, metrics: &str, lines: &[&str]| {
        let kind = [("content-type", "text/plain")];
        let exchanges = [
            exchange("metrics", response(200, &kind, metrics)),
            timed("block", 0, took, response(200, &[], "")),
        ];
        judge("SRV-7:stuck", &with_routes(started(exchanges, lines)))
    };
    let stuck = |metrics: &str, lines: &[&str]| stuck_after(3300, metrics, lines);
    let workers = "runtime_worker_silence_seconds{worker=\"0\"} 0\n";
    let named = r#"{"message":"worker_stuck","request_id":"nonce-of-block"}"#;
    let other = r#"{"message":"worker_stuck","request_id":"-"}"#;
    let recovered = r#"{"message":"worker_recovered"}"#;
    assert_eq!(stuck(workers, &[named, recovered]), Some(true));
    assert_eq!(stuck(workers, &[other, recovered]), Some(false));
    assert_eq!(stuck(workers, &[named]), Some(false));
    assert_eq!(stuck(workers, &[]), Some(false));
    assert_eq!(stuck("up 1\n", &[]), None);
    assert_eq!(stuck_after(5, workers, &[]), None);
}
