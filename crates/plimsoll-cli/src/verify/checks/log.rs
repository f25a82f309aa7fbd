//! LOG, RID-3 and IP-1: the records of a start and of requests.

mod access;
mod debug;
mod disconnect;
mod ended;
mod leading;
mod lines;
mod pretty;
mod rejected;
mod texts;
mod unread;

pub(super) use self::{access::path_of, lines::json};

use crate::verify::{
    evidence::Evidence,
    judgement::{Fault, Finding, Judgement, require},
    probe::{Observation, Probe},
    scenario::{BASE, DEBUG_ON_ERROR, ENDED, PRETTY, QUIET},
    subject::{self, Subject},
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(requests(subject))),
        checks: &[
            ("LOG-1:json", json),
            ("LOG-1:hostile", lines::hostile),
            ("LOG-7:ready", ready),
            ("LOG-7:once", once),
            ("RID-3:outside", outside),
            ("LOG-2:fields", leading::fields),
            ("LOG-2:values", leading::values),
            ("LOG-2:order", leading::order),
            ("LOG-3:one", access::one),
            ("LOG-3:fields", access::fields),
            ("LOG-3:unmatched", access::unmatched),
            ("LOG-3:order", access::order),
            ("LOG-3:secrets", access::secrets),
            ("LOG-4:level", access::level),
            ("LOG-5:probes", access::probes),
            ("LOG-6:single", access::single),
            ("RID-3:access", access::id),
            ("IP-1:peer", access::peer),
        ],
    },
    Probe {
        scenario: &QUIET,
        observation: Observation::Session(|subject| Box::pin(quiet(subject))),
        checks: &[("LOG-7:always", ready), ("CFG-1:level", suppressed)],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(texts::long_texts(subject))),
        checks: &[
            ("LOG-8:cut", texts::cut),
            ("LOG-8:method", texts::cut_method),
            ("LOG-8:invalid", texts::invalid),
        ],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(disconnect::disconnect(subject))),
        checks: &[("LOG-9:aborted", disconnect::aborted)],
    },
    Probe {
        scenario: &PRETTY,
        observation: Observation::Session(|subject| Box::pin(pretty::requests(subject))),
        checks: &[
            ("LOG-10:pretty", pretty::pretty),
            ("LOG-10:invisible", pretty::invisible),
        ],
    },
    Probe {
        scenario: &DEBUG_ON_ERROR,
        observation: Observation::Session(|subject| Box::pin(debug::requests(subject))),
        checks: &[
            ("LOG-16:kept", debug::kept),
            ("LOG-16:marked", debug::marked),
            ("LOG-16:freed", debug::freed),
        ],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(unread::unread_log(subject))),
        checks: &[
            ("LOG-11:waits", unread::never_waits),
            ("LOG-11:dropped", unread::dropped_are_counted),
        ],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(rejected::rejected(subject))),
        checks: &[
            ("LOG-13:record", rejected::rejected_record),
            ("LOG-13:count", rejected::rejected_count),
        ],
    },
];

/// Those that depend on checks of LIFE.
pub(super) const AT_THE_END: &[Probe] = &[
    Probe {
        scenario: &ENDED,
        observation: Observation::Session(|subject| Box::pin(ended::end(subject))),
        checks: &[("LOG-12:all", ended::all), ("LOG-12:last", ended::last)],
    },
    Probe {
        scenario: &ENDED,
        observation: Observation::Session(|subject| Box::pin(ended::end_unread(subject))),
        checks: &[("LOG-12:sum", ended::sum)],
    },
];

/// A value that must not be logged.
const SECRET: &str = "hunter2-and-more";

/// The message of a record that a client tries to forge.
const FORGED: &str = "forged-record";

/// The time for the end of a service without requests.
const END: std::time::Duration = std::time::Duration::from_secs(10);

async fn requests(subject: &mut Subject<'_>) {
    subject.get_marked("found", "/?plimsoll={nonce}", &[]).await;
    let path = format!("/.plimsoll/{{nonce}}?token={SECRET}&plain=shown&password={SECRET}");
    subject.get_marked("missing", &path, &[]).await;
    let forwarded = ["X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.8"];
    subject
        .get_marked("forwarded", "/?plimsoll={nonce}", &forwarded)
        .await;
    for (name, path) in [
        ("probe", "/health"),
        ("probe", "/ready"),
        ("probe", "/metrics"),
    ] {
        subject.get_marked(name, path, &[]).await;
    }
    let nonce = subject.nonce();
    let request = hostile_request(&nonce);
    subject.send("hostile", nonce, request).await;
    subject.settle().await;
}

/// Returns a valid request with quotes, braces, line feeds and bytes beyond ASCII.
fn hostile_request(nonce: &str) -> Vec<u8> {
    let forged = format!("\"}}{{\"message\":\"{FORGED}\"}}");
    // Encoded, because RFC 3986 allows neither quotes nor braces: some servers reject them.
    let path = format!("/.plimsoll/{nonce}%0A%22%7D%0D%0A?a=%0A%7B%22message%22:%22{FORGED}%22%7D");
    let id = format!("X-Request-ID: {nonce}{forged}");
    let mut request = subject::request("GET", &path, &[&id]);
    // Instead of the empty line: a header with a tab, a backslash and a byte that is not UTF-8.
    request.truncate(request.len() - 2);
    let agent = format!("User-Agent: \\{forged}\t");
    let at = find(&request, b"User-Agent: plimsoll\r\n");
    let mut hostile = request[..at].to_vec();
    hostile.extend_from_slice(agent.as_bytes());
    hostile.extend_from_slice(b"\xff\xfe\x80 \"x\r\n");
    hostile.extend_from_slice(&request[at + "User-Agent: plimsoll\r\n".len()..]);
    hostile.extend_from_slice(b"\r\n");
    hostile
}

fn find(bytes: &[u8], pattern: &[u8]) -> usize {
    let mut windows = bytes.windows(pattern.len());
    let at = windows.position(|window| window == pattern);
    at.expect("each request has this header")
}

async fn quiet(subject: &mut Subject<'_>) {
    subject.get_marked("found", "/?plimsoll={nonce}", &[]).await;
    subject.terminate();
    // The end of the output proves that no record is delayed.
    subject.wait_for_end(END).await;
}

fn ready(evidence: &Evidence) -> Judgement {
    observed_start(evidence)?;
    let records = evidence.records_with("infra_app_ready")?;
    let expected = "a record infra_app_ready of the logger infra at INFO";
    let Some(record) = records.first() else {
        return Err(
            Finding::new(evidence.start_name(), "no record infra_app_ready", expected).into(),
        );
    };
    let is_complete =
        record.text("name") == Some("infra") && record.text("levelname") == Some("INFO");
    require(is_complete, || {
        Finding::new(evidence.start_name(), record.line(), expected)
    })
}

fn once(evidence: &Evidence) -> Judgement {
    observed_start(evidence)?;
    let records = evidence.records_with("infra_app_ready")?;
    require(records.len() <= 1, || {
        let lines: Vec<&str> = records.iter().map(|record| record.line()).collect();
        Finding::new("a start", lines.join("\n"), "one record infra_app_ready")
    })
}

/// Requires that the log has the start of the service, and of no other process.
fn observed_start(evidence: &Evidence) -> Judgement {
    match evidence.start {
        Some(_) => Ok(()),
        None => {
            let reason = "the start of a service at a URL is not observed; pass a command";
            Err(Fault::not_proven(reason))
        }
    }
}

fn outside(evidence: &Evidence) -> Judgement {
    let records = evidence.records_with("infra_app_ready")?;
    let record = records.first().ok_or(Fault::not_proven(
        "the service has written no record outside a request",
    ))?;
    require(record.text("request_id") == Some("-"), || {
        Finding::new("a start", record.line(), "request_id \"-\"")
    })
}

fn suppressed(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("found")?;
    let records = evidence.access_records(exchange)?;
    if evidence
        .shutdown
        .and_then(|shutdown| shutdown.end)
        .is_none()
    {
        let reason = "the process did not end, so a record can follow";
        return Err(Fault::not_proven(reason));
    }
    match records.first() {
        None => Ok(()),
        Some(record) => Err(Finding::record(exchange, record, "no access record").into()),
    }
}
