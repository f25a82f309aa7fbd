//! ADM-9 to ADM-13 and ADM-18: changes by an operator.

use std::time::Duration;

use super::{
    POLLED, answer, authorised, control, controls, finding, has_status, open_controls, poll,
};
use crate::verify::{
    evidence::Evidence,
    judgement::{Fault, Finding, Judgement, each, require},
    metrics::Scrape,
    probe::{Observation, Probe},
    record::Record,
    scenario::OPERATED,
    subject::{Subject, request},
};

pub(super) const PROBE: Probe = Probe {
    scenario: &OPERATED,
    observation: Observation::Session(|subject| Box::pin(changes(subject))),
    checks: &[
        ("ADM-9:fields", fields),
        ("ADM-9:media", |evidence| {
            controls(evidence)?;
            has_status(evidence, "media", 415)
        }),
        ("ADM-9:ttl", |evidence| {
            controls(evidence)?;
            has_status(evidence, "ttl", 400)
        }),
        ("ADM-13:readiness", readiness),
        ("ADM-13:force", force),
        ("ADM-9:expires", expires),
        ("ADM-10:records", records),
        ("ADM-10:listed", listed),
        ("ADM-11:level", level),
        ("ADM-12:request", one_request),
        ("ADM-18:counted", counted),
    ],
};

const LEVEL: &str = "/admin/loglevel";
const TRACE: &str = "/admin/loglevel/request";
const READINESS: &str = "/admin/readiness";

/// Forms with a wrong field, which the detail names.
const WRONG: [(&str, &str); 3] = [
    ("level=DEBUG&level=INFO", "level"),
    ("levle=DEBUG", "levle"),
    ("level=loud", "level"),
];

/// The id of a request that has levels of its own.
const TRACED: &str = "traced-request-of-plimsoll";

/// The text that an operator gives as the reason of a change.
const REASON: &str = "reason-of-plimsoll";

/// The time from a change to its effect, with a tolerance for a busy machine.
const EFFECT: Duration = Duration::from_millis(500);

async fn changes(subject: &mut Subject<'_>) {
    if !open_controls(subject).await {
        return;
    }
    for (form, _) in WRONG {
        subject
            .send_admin("wrong", control("PUT", LEVEL, form))
            .await;
    }
    let json = "Content-Type: application/json";
    let media = authorised("PUT", LEVEL, &[json], r#"{"level":"DEBUG"}"#);
    subject.send_admin("media", media).await;
    for form in ["level=DEBUG&ttl=0", "level=DEBUG&ttl=25h"] {
        subject.send_admin("ttl", control("PUT", LEVEL, form)).await;
    }
    let force = control("PUT", READINESS, "ready=true");
    subject.send_admin("force", force).await;
    let quiet = control("PUT", LEVEL, "level=CRITICAL");
    subject.send_admin("quiet", quiet).await;
    subject
        .get_marked("quiet request", "/.plimsoll/{nonce}", &[])
        .await;
    let form = format!("id={TRACED}&level=INFO");
    subject
        .send_admin("trace", control("PUT", TRACE, &form))
        .await;
    let nonce = subject.nonce();
    let id = format!("X-Request-ID: {TRACED}");
    let traced = request("GET", &format!("/.plimsoll/{nonce}"), &[&id]);
    subject.send("traced request", nonce, traced).await;
    subject
        .send_admin("untrace", control("DELETE", TRACE, ""))
        .await;
    let hold = control("PUT", READINESS, &format!("ready=false&reason={REASON}"));
    subject.send_admin("hold", hold).await;
    poll(subject, "held", Some(503)).await;
    subject
        .send_admin("changes", control("GET", "/admin/changes", ""))
        .await;
    let release = control("DELETE", READINESS, "");
    subject.send_admin("release", release).await;
    poll(subject, "released", Some(200)).await;
    let short = control("PUT", READINESS, "ready=false&ttl=300ms");
    subject.send_admin("short", short).await;
    poll(subject, "short held", Some(503)).await;
    poll(subject, "expired", Some(200)).await;
    subject
        .send_admin("loud", control("DELETE", LEVEL, ""))
        .await;
    subject
        .get_marked("loud request", "/.plimsoll/{nonce}", &[])
        .await;
    let metrics = request("GET", "/metrics", &[]);
    subject.send_admin("metrics", metrics).await;
    subject.settle().await;
}

fn fields(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    let wrong = evidence.exchanges("wrong").zip(WRONG);
    each(wrong, |(exchange, (_, field))| {
        let problem = exchange.response().and_then(|it| Record::parse(&it.body));
        let is_named = problem.is_some_and(|problem| {
            let detail = problem.text("detail");
            detail.is_some_and(|detail| detail.contains(field))
        });
        require(exchange.status() == Some(400) && is_named, || {
            finding(exchange, format!("status 400, and {field} in detail"))
        })
    })
}

fn readiness(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    has_effect(evidence, "hold", "held", 503)?;
    has_effect(evidence, "release", "released", 200)
}

/// Requires that a change is successful, and that readiness has the status soon after it.
fn has_effect(evidence: &Evidence, change: &str, polls: &str, status: u16) -> Judgement {
    let (exchange, response) = answer(evidence, change)?;
    require((200..300).contains(&response.status), || {
        finding(exchange, "a status from 200 to 299")
    })?;
    let effect = evidence
        .exchanges(polls)
        .find(|poll| poll.status() == Some(status));
    let Some(effect) = effect else {
        let finding = finding(exchange, format!("then GET /ready with status {status}"));
        let received = format!("another status of /ready for {} s", POLLED.as_secs());
        return Err(Finding {
            received,
            ..finding
        }
        .into());
    };
    let after = effect.sent.saturating_sub(exchange.done);
    if after <= EFFECT {
        return Ok(());
    }
    let received = format!("status {status} of /ready {} ms later", after.as_millis());
    let finding = Finding {
        received,
        ..finding(exchange, "its effect on /ready within 100 ms")
    };
    Err(Fault::late(finding, EFFECT, evidence.lag))
}

fn force(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    let (exchange, response) = answer(evidence, "force")?;
    require(response.status >= 400, || {
        finding(
            exchange,
            "a status from 400 on, since no client can force readiness up",
        )
    })
}

fn expires(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    has_status(evidence, "short", 200)?;
    let mut held = evidence.exchanges("short held");
    if !held.any(|poll| poll.status() == Some(503)) {
        let reason = "/ready was not seen with status 503 during the ttl, 300 ms: timers were late";
        return Err(Fault::Unmeasured(reason.to_owned()));
    }
    let mut polls = evidence.exchanges("expired");
    let (exchange, _) = answer(evidence, "short")?;
    if polls.any(|poll| poll.status() == Some(200)) {
        return Ok(());
    }
    let received = format!("/ready is 503 for {} s", POLLED.as_secs());
    let finding = finding(exchange, "status 200 of /ready after the ttl, 300 ms");
    Err(Fault::late(
        Finding {
            received,
            ..finding
        },
        POLLED,
        evidence.lag,
    ))
}

fn records(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    // The hold of readiness: the level was CRITICAL from before it until after its end.
    let begun = evidence.records_with("admin_change")?;
    let begun = begun.iter().find(|it| it.text("reason") == Some(REASON));
    let id = begun.and_then(|record| record.get("id"));
    let ended = evidence.records_with("admin_change_ended")?;
    let ended = ended.iter().find(|it| id.is_some() && it.get("id") == id);
    let has_all = |record: Option<&Record>, names: &[&str]| {
        let mut names = names.iter();
        record.is_some_and(|record| names.all(|name| record.get(name).is_some()))
    };
    let holds = has_all(begun, &["id", "action", "value", "was", "reason", "by"])
        && has_all(ended, &["id", "action", "value", "end"]);
    require(holds, || {
        let line = |record: Option<&Record>| record.map_or("no record", Record::line).to_owned();
        let sent =
            format!("PUT {READINESS} with ready=false, and DELETE, while the level is CRITICAL");
        let received = format!("{}; {}", line(begun), line(ended));
        let expected = "records admin_change with id, action, value, was, reason and by, and \
                        admin_change_ended with id, action, value and end";
        Finding::new(sent, received, expected)
    })
}

fn listed(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    let (exchange, response) = answer(evidence, "changes")?;
    let holds = response.status == 200 && response.text().contains(REASON);
    require(holds, || {
        finding(
            exchange,
            format!("status 200, and the change with the reason {REASON}"),
        )
    })
}

fn level(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    has_status(evidence, "quiet", 200)?;
    let quiet = evidence.exchange("quiet request")?;
    if let Some(record) = evidence.access_records(quiet)?.first() {
        let expected = "no access record while the level is CRITICAL";
        return Err(Finding::record(quiet, record, expected).into());
    }
    let loud = evidence.exchange("loud request")?;
    require(!evidence.access_records(loud)?.is_empty(), || {
        let expected = "an access record after the level was deleted";
        Finding::exchange(loud, "no access record".to_owned(), expected)
    })
}

fn one_request(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    has_status(evidence, "trace", 200)?;
    let exchange = evidence.exchange("traced request")?;
    require(!evidence.access_records(exchange)?.is_empty(), || {
        let expected = "an access record, since the levels of this id include INFO";
        Finding::exchange(exchange, "no access record".to_owned(), expected)
    })
}

fn counted(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    let exchange = evidence.exchange("metrics")?;
    let scrape = Scrape::of(exchange)?;
    let is_counted = scrape.sum("admin_requests_total", &[]) > 0.0;
    let mut others = scrape.samples("http_requests_total");
    let is_apart = !others.any(|it| {
        it.label("path")
            .is_some_and(|path| path.starts_with("/admin"))
    });
    require(is_counted && is_apart, || {
        let received = match is_counted {
            true => "a path /admin in http_requests_total",
            false => "no sample of admin_requests_total",
        };
        let expected = "the controls in admin_requests_total, and not in http_requests_total";
        Finding {
            received: received.to_owned(),
            ..finding(exchange, expected)
        }
    })
}
