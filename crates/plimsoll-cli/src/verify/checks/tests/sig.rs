//! SIG: signals other than the first SIGTERM.

use super::*;

/// Evidence of signals, with the outcome of a request after each.
fn signalled(signals: &[(&'static str, Option<Ended>, Outcome)]) -> Evidence {
    let exchanges = signals.iter();
    let exchanges = exchanges.map(|(name, _, outcome)| exchange(name, outcome.clone()));
    let exchanges: Vec<Exchange> = exchanges.collect();
    let signals = signals.iter().map(|(name, end, _)| Signalled {
        name,
        at: Duration::from_secs(1),
        end: *end,
    });
    Evidence {
        signals: signals.collect(),
        ..started(exchanges, &[])
    }
}

#[test]
fn signals_without_effect_end_nothing() {
    let survives = |end, outcome| judge("SIG-2:continues", &signalled(&[("SIGHUP", end, outcome)]));
    assert_eq!(survives(None, response(200, &[], "")), Some(true));
    assert_eq!(survives(None, Outcome::Refused), Some(false));
    assert_eq!(survives(Some(ended(None)), Outcome::Refused), Some(false));

    let ok = || (None, response(200, &[], ""));
    let both = |(end, outcome): (Option<Ended>, Outcome)| {
        let first = ("SIGUSR1", None, response(200, &[], ""));
        judge(
            "SIG-3:user",
            &signalled(&[first, ("SIGUSR2", end, outcome)]),
        )
    };
    assert_eq!(both(ok()), Some(true));
    assert_eq!(both((Some(ended(None)), Outcome::Refused)), Some(false));
    let all = |end| {
        let names = ["SIGPIPE", "SIGCHLD", "SIGCONT", "SIGWINCH"];
        let signals = names.map(|name| (name, end, response(200, &[], "")));
        judge("SIG-3:ignored", &signalled(&signals))
    };
    assert_eq!(all(None), Some(true));
    assert_eq!(all(Some(ended(Some(0)))), Some(false));
}

#[test]
fn ignored_signals_are_recorded() {
    let record = |lines: &[&str]| judge("SIG-3:record", &started([], lines));
    let first = r#"{"message":"signal_ignored","signal":"SIGUSR1"}"#;
    let second = r#"{"message":"signal_ignored","signal":"SIGUSR2"}"#;
    assert_eq!(record(&[first, second]), Some(true));
    assert_eq!(record(&[first, first]), Some(false));
}

#[test]
fn sigquit_and_a_second_signal_end_the_service() {
    let end = |id: &str, names: &[&'static str], ends: &[Option<Ended>]| {
        let signals = names.iter().zip(ends);
        let signals = signals.map(|(name, end)| (*name, *end, Outcome::Refused));
        judge(id, &signalled(&signals.collect::<Vec<_>>()))
    };
    let quit = |signal| end("SIG-1:quit", &["SIGQUIT"], &[signal]);
    assert_eq!(quit(Some(ended(Some(0)))), Some(true));
    assert_eq!(quit(Some(ended(None))), Some(false));
    assert_eq!(quit(None), Some(false));
    let judge_second = |ends: [Option<Ended>; 2], request| {
        let signals = ["first SIGTERM", "second SIGTERM"].into_iter().zip(ends);
        let signals = signals.map(|(name, end)| (name, end, Outcome::Refused));
        let mut evidence = signalled(&signals.collect::<Vec<_>>());
        evidence.exchanges.push(exchange(request, Outcome::Late));
        [
            judge("LIFE-3:second", &evidence),
            judge("LIFE-3:second", &with_routes(evidence)),
        ]
    };
    let second = |ends| judge_second(ends, "slow");
    let ended = Some(ended(Some(0)));
    assert_eq!(second([None, ended]), [None, Some(true)]);
    assert_eq!(second([None, None]), [None, Some(false)]);
    assert_eq!(second([ended, ended]), [None, None]);
    // Without a request, the service may end by itself.
    assert_eq!(judge_second([None, ended], "other"), [None, None]);
}

#[test]
fn stopped_and_killed_service_answers_again() {
    let continues = |outcome| {
        let exchanges = [
            exchange("stopped", outcome),
            exchange("continued", response(200, &[], "")),
        ];
        judge("SIG-4:continues", &started(exchanges, &[]))
    };
    assert_eq!(continues(response(200, &[], "")), Some(true));
    assert_eq!(continues(Outcome::Lost), Some(false));
    let rebind = |restart| {
        let evidence = Evidence {
            restart,
            ..started([], &[])
        };
        judge("SIG-4:rebind", &evidence)
    };
    assert_eq!(rebind(Some(Start::Ready(Duration::ZERO))), Some(true));
    assert_eq!(rebind(Some(Start::Ended(ended(Some(1))))), Some(false));
    assert_eq!(rebind(None), None);
}
