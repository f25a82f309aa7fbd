//! LIFE: the end of the service.

use super::*;

#[test]
fn last_record_reports_the_shutdown() {
    let report = |lines: &[&str]| {
        let evidence = Evidence {
            lines: started([], lines).lines,
            ..shutdown(None, Vec::new())
        };
        judge("LIFE-6:report", &evidence)
    };
    let last =
        r#"{"name":"infra","requestsFinished":1,"requestsCutOff":0,"drainMs":1,"hooksMs":0}"#;
    assert_eq!(report(&[READY, last]), Some(true));
    assert_eq!(report(&[last, READY]), Some(false));
    assert_eq!(report(&[]), Some(false));
}

/// Evidence of a shutdown after 1 s, with the requests of clients and polls.
fn shutdown(end: Option<Ended>, exchanges: Vec<Exchange>) -> Evidence {
    Evidence {
        shutdown: Some(Shutdown {
            signal: Duration::from_secs(1),
            end,
        }),
        ..started(exchanges, &[])
    }
}

#[test]
fn process_ends_in_time_with_status_0() {
    let exit = |end| judge("LIFE-1:exit", &shutdown(end, Vec::new()));
    assert_eq!(exit(Some(ended(Some(0)))), Some(true));
    assert_eq!(exit(Some(ended(Some(3)))), Some(true));
    assert_eq!(exit(Some(ended(Some(1)))), Some(false));
    assert_eq!(exit(Some(ended(None))), Some(false));
    assert_eq!(exit(None), Some(false));
}

#[test]
fn requests_in_flight_are_answered() {
    let judge = |answered: usize, others: &[Outcome]| {
        let answered = (0..answered).map(|_| response(200, &[], ""));
        let outcomes = answered.chain(others.iter().cloned());
        let requests = outcomes.map(|outcome| exchange("in flight", outcome));
        judge("LIFE-1:in-flight", &shutdown(None, requests.collect()))
    };
    assert_eq!(judge(5, &[]), Some(true));
    assert_eq!(judge(4, &[]), None);
    assert_eq!(judge(5, &[Outcome::Lost]), Some(false));
    assert_eq!(judge(0, &[Outcome::Late]), Some(false));
}

#[test]
fn readiness_ends_within_100_ms() {
    let unready = || response(503, &[], "");
    let judge = |polls: Vec<Exchange>, lag: u64| {
        let evidence = Evidence {
            lag: Duration::from_millis(lag),
            ..shutdown(None, polls)
        };
        judge("LIFE-1:ready", &evidence)
    };
    let ready = |sent| timed("ready", sent, sent, response(200, &[], "ok\n"));
    let ended = || vec![timed("ready", 1100, 1100, unready())];
    let with = |poll: Exchange, lag| judge([vec![poll], ended()].concat(), lag);
    assert_eq!(with(ready(1099), 0), Some(true));
    assert_eq!(with(ready(1100), 0), Some(false));
    assert_eq!(with(ready(1100), 25), Some(false));
    // A busy machine may have delayed the service.
    assert_eq!(with(ready(1100), 26), None);
    let slow = timed("ready", 1000, 1026, response(200, &[], "ok\n"));
    assert_eq!(judge([vec![slow, ready(1100)], ended()].concat(), 0), None);
    let refused = timed("ready", 1200, 1200, Outcome::Refused);
    assert_eq!(with(refused.clone(), 0), Some(true));
    assert_eq!(judge(vec![refused], 0), Some(false));
}

#[test]
fn listener_is_open_during_the_delay() {
    let judge = |outcome| {
        let accepted = vec![exchange("accepted", outcome)];
        judge("LIFE-1:accepts", &shutdown(None, accepted))
    };
    assert_eq!(judge(response(200, &[], "")), Some(true));
    assert_eq!(judge(Outcome::Refused), Some(false));
}

#[test]
fn responses_during_the_drain_announce_the_close() {
    let judge = |outcome| {
        let accepted = vec![exchange("accepted", outcome)];
        judge("LIFE-2:close", &shutdown(None, accepted))
    };
    let close = response(200, &[("connection", "close")], "");
    assert_eq!(judge(close), Some(true));
    assert_eq!(judge(response(200, &[], "")), Some(false));
    assert_eq!(judge(Outcome::Refused), None);
}

/// Evidence of a service manager.
fn managed(signals: &[(&'static str, Option<Ended>)]) -> Evidence {
    let signals = signals.iter();
    let signals = signals.map(|(name, end)| Signalled {
        name,
        at: Duration::from_secs(1),
        end: *end,
    });
    Evidence {
        signals: signals.collect(),
        ..started([], &[])
    }
}

#[test]
fn sigint_ends_the_service_although_a_connection_is_open() {
    let interrupt = |end| judge("LIFE-1:interrupt", &managed(&[("SIGINT", end)]));
    assert_eq!(interrupt(Some(ended(Some(0)))), Some(true));
    assert_eq!(interrupt(Some(ended(None))), Some(false));
    assert_eq!(interrupt(None), Some(false));
}

#[test]
fn connection_without_a_request_does_not_delay_the_end() {
    let end = |ms| {
        Some(Ended {
            at: Duration::from_millis(ms),
            ..ended(Some(0))
        })
    };
    let with = |signals: &[_], name| Evidence {
        exchanges: vec![exchange(name, Outcome::Late)],
        ..managed(signals)
    };
    let idle = |signals: &[_]| judge("LIFE-2:idle", &with(signals, "idle"));
    assert_eq!(idle(&[("SIGINT", end(3250))]), Some(true));
    assert_eq!(idle(&[("SIGINT", end(3251))]), None);
    assert_eq!(idle(&[("SIGINT", None)]), None);
    let both = |alone| idle(&[("SIGINT", end(3251)), ("SIGINT alone", alone)]);
    assert_eq!(both(end(1000)), Some(false));
    assert_eq!(both(end(1001)), Some(true));
    assert_eq!(both(None), None);
    // The service has closed the connection before, or this process could not open it.
    let closed = with(&[("SIGINT", end(3250))], "other");
    assert_eq!(judge("LIFE-2:idle", &closed), None);
    let unopened = Evidence {
        unopened: 1,
        ..with(&[("SIGINT", end(3250))], "idle")
    };
    assert_eq!(judge("LIFE-2:idle", &unopened), None);
}

#[test]
fn signal_during_the_start_is_not_lost() {
    let start =
        |ends: [Option<Ended>; 2]| judge("LIFE-4:start", &managed(&ends.map(|end| ("start", end))));
    let good = Some(ended(Some(0)));
    assert_eq!(start([good, good]), Some(true));
    // The system ends a process that has installed no handler yet.
    assert_eq!(start([Some(ended(None)), good]), Some(true));
    assert_eq!(start([good, Some(ended(Some(1)))]), Some(false));
    assert_eq!(start([good, None]), Some(false));
    assert_eq!(judge("LIFE-4:start", &managed(&[])), None);
}

#[test]
fn service_manager_is_notified() {
    let judge = |id: &str, notifications: &[(&str, bool, u64)]| {
        let notifications = notifications.iter();
        let notifications = notifications.map(|(text, refuses, at)| Notification {
            text: (*text).to_owned(),
            refuses: *refuses,
            at: Duration::from_millis(*at),
        });
        let evidence = Evidence {
            notifications: notifications.collect(),
            ..managed(&[("SIGINT", None)])
        };
        judge(id, &evidence)
    };
    let ready = ("READY=1\nSTATUS=a", false, 1000);
    let stopping = ("STOPPING=1", true, 1001);
    assert_eq!(judge("LIFE-7:ready", &[ready, stopping]), Some(true));
    assert_eq!(judge("LIFE-7:ready", &[stopping]), Some(false));
    let early = ("READY=1", true, 1000);
    assert_eq!(judge("LIFE-7:ready", &[early]), Some(false));
    let late = ("READY=1", true, 1001);
    assert_eq!(judge("LIFE-7:ready", &[late]), None);
    assert_eq!(judge("LIFE-7:ready", &[]), None);
    assert_eq!(judge("LIFE-7:stopping", &[ready, stopping]), Some(true));
    assert_eq!(judge("LIFE-7:stopping", &[ready]), Some(false));
}
