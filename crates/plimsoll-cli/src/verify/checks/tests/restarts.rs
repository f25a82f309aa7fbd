//! LIFE-5 and LIFE-8: restarts that lose nothing.

use super::*;

/// Requests of a load balancer to the old instance after the signal, at 1 s.
fn balanced(others: impl IntoIterator<Item = Exchange>) -> Evidence {
    let ok = || response(200, &[], "");
    let answered = (0..10).map(|at| timed("old instance", 1000 + at, 1000 + at, ok()));
    let mut exchanges = vec![exchange("before", ok())];
    exchanges.extend(answered);
    exchanges.extend(others);
    Evidence {
        shutdown: Some(Shutdown {
            signal: Duration::from_secs(1),
            end: None,
        }),
        ..started(exchanges, &[])
    }
}

fn lost(sent: u64, outcome: Outcome) -> Exchange {
    timed("old instance", sent, sent + 1, outcome)
}

#[test]
fn rolling_restart_loses_no_request() {
    let judge = |others: &[Exchange]| judge("LIFE-5:lost", &balanced(others.to_vec()));
    assert_eq!(judge(&[]), Some(true));
    for outcome in [Outcome::Lost, Outcome::Refused, response(503, &[], "")] {
        assert_eq!(judge(&[lost(1100, outcome.clone())]), Some(false));
        let new = timed("new instance", 2500, 2500, outcome);
        assert_eq!(judge(&[new]), Some(false));
    }
    // The balancer sends these requests again.
    let closed = Exchange {
        is_reused: true,
        ..lost(1100, Outcome::Lost)
    };
    assert_eq!(judge(&[closed]), Some(true));
    assert_eq!(judge(&[lost(900, Outcome::Lost)]), None, "before SIGTERM");
}

#[test]
fn service_that_always_gets_503_loses_nothing_by_it() {
    let mut evidence = balanced([lost(1100, response(503, &[], ""))]);
    evidence.exchanges[0] = exchange("before", response(503, &[], ""));
    assert_eq!(judge("LIFE-5:lost", &evidence), Some(true));
}

#[test]
fn few_requests_prove_nothing_about_a_rolling_restart() {
    let mut evidence = balanced([]);
    evidence.exchanges.pop();
    assert_eq!(judge("LIFE-5:lost", &evidence), None);
}

#[test]
fn late_balancer_proves_nothing_about_a_rolling_restart() {
    let late = lost(2000, Outcome::Refused);
    let judge = |others: &[Exchange]| judge("LIFE-5:lost", &balanced(others.to_vec()));
    assert_eq!(judge(std::slice::from_ref(&late)), None);
    let early = timed(late.name, 1500, 1501, Outcome::Lost);
    assert_eq!(judge(&[late.clone(), early]), Some(false));
    // The service was ready for too long, and not the balancer late.
    let poll = |sent, took| {
        let ready = response(200, &[], "ok\n");
        timed("poll of the old instance", sent, sent + took, ready)
    };
    assert_eq!(judge(&[poll(1100, 25), late.clone()]), Some(false));
    assert_eq!(judge(&[poll(1100, 26), late.clone()]), None);
    assert_eq!(judge(&[poll(1099, 0), late]), None);
}

/// A run with a socket.
fn activated(name: &'static str, result: Start) -> CommandRun {
    CommandRun {
        result,
        ..ran(name, 0, "", "")
    }
}

#[test]
fn passed_socket_is_the_main_listener() {
    let served = |result, early: Option<Outcome>| {
        let early = early.map(|outcome| exchange("early", outcome));
        let exchanges: Vec<Exchange> = early.into_iter().collect();
        let evidence = Evidence {
            runs: vec![activated("activated", result)],
            ..started(exchanges, &[])
        };
        judge("LIFE-8:served", &evidence)
    };
    let ready = || Start::Ready(Duration::ZERO);
    assert_eq!(served(ready(), Some(response(404, &[], ""))), Some(true));
    assert_eq!(served(ready(), Some(Outcome::Lost)), Some(false));
    assert_eq!(served(ready(), Some(Outcome::Late)), None);
    assert_eq!(served(ready(), None), Some(false));
    assert_eq!(served(Start::Ended(ended(Some(1))), None), Some(false));
    let silent = Start::Silent { listens_on: vec![] };
    assert_eq!(served(silent, None), None);
    let no_run = started([], &[]);
    assert_eq!(judge("LIFE-8:served", &no_run), None);
    let port = |outcome| judge_response("LIFE-8:port", "port", outcome);
    assert_eq!(port(Outcome::Refused), Some(true));
    assert_eq!(port(Outcome::Lost), Some(false));
}

/// The end of a process with a socket, 2 s after its start.
fn terminated(name: &'static str, exchanges: Vec<Exchange>, end: Option<Ended>) -> Evidence {
    Evidence {
        signals: vec![Signalled {
            name,
            at: Duration::from_secs(1),
            end,
        }],
        ..started(exchanges, &[])
    }
}

#[test]
fn restart_with_a_socket_refuses_and_resets_no_connection() {
    let ok = || response(200, &[], "");
    let waiting = || timed("restart", 1500, 2000, ok());
    let restart = |exchanges: Vec<Exchange>, end| {
        judge("LIFE-8:restart", &terminated("restart", exchanges, end))
    };
    let end = Some(ended(Some(0)));
    let next = || exchange("next", ok());
    assert_eq!(restart(vec![waiting(), next()], end), Some(true));
    assert_eq!(restart(vec![waiting(), next()], None), None);
    assert_eq!(restart(vec![waiting()], end), None, "no next process");
    for outcome in [Outcome::Refused, Outcome::Lost] {
        let lost = timed("restart", 1500, 1500, outcome);
        assert_eq!(restart(vec![waiting(), lost, next()], end), Some(false));
    }
    let late = || timed("restart", 1500, 1500, Outcome::Late);
    assert_eq!(restart(vec![late(), next()], end), None, "it waits");
    let reset = timed("restart", 1500, 1500, Outcome::Lost);
    assert_eq!(restart(vec![late(), reset, next()], end), Some(false));
    let before = timed("restart", 900, 950, Outcome::Lost);
    assert_eq!(restart(vec![before, waiting(), next()], end), None);
    let reset = timed("next", 2000, 2500, Outcome::Lost);
    assert_eq!(restart(vec![waiting(), reset], end), Some(false));
    let lost = timed("restart", 1500, 1500, Outcome::Lost);
    let mut evidence = terminated("restart", vec![lost], end);
    evidence.lag = Duration::from_millis(63);
    assert_eq!(judge("LIFE-8:restart", &evidence), None);
}

#[test]
fn file_of_a_passed_socket_stays() {
    let file = |unix, after, end| {
        let exchanges = vec![exchange("unix", unix), exchange("file", after)];
        judge("LIFE-8:file", &terminated("unix", exchanges, end))
    };
    let (ok, end) = (|| response(200, &[], ""), Some(ended(Some(0))));
    assert_eq!(file(ok(), Outcome::Late, end), Some(true));
    assert_eq!(file(ok(), Outcome::Refused, end), Some(false));
    assert_eq!(file(ok(), Outcome::Late, None), None);
    assert_eq!(file(Outcome::Lost, Outcome::Late, end), Some(false));
}

#[test]
fn other_sockets_are_rejected_or_ignored() {
    let kind = |code, err: &str| judge_runs("LIFE-8:kind", [ran("datagram", code, "", err)]);
    assert_eq!(kind(78, "fd 3 is a UDP socket"), Some(true));
    assert_eq!(kind(78, "wrong"), Some(false));
    assert_eq!(kind(1, "fd 3 is a UDP socket"), Some(false));
    let record = r#"{"message":"sockets_ignored"}"#;
    let ignored = |out: &str, result| {
        let run = CommandRun {
            result,
            ..ran("ignored", 0, out, "")
        };
        judge_runs("LIFE-8:ignored", [run])
    };
    let ready = || Start::Ready(Duration::ZERO);
    assert_eq!(ignored(record, ready()), Some(true));
    assert_eq!(ignored(READY, ready()), Some(false));
    assert_eq!(ignored(record, Start::Ended(ended(Some(78)))), Some(false));
}
