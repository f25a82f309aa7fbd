//! HTTP-6 to HTTP-10 and RID-4: methods, unknown paths, headers and aliases.

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{self, Finding, Judgement, require},
        probe::{Observation, Probe},
        record::Record,
        scenario::BASE,
        subject::{Subject, request},
    },
    wire::Exchange,
};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(requests(subject))),
        checks: &[
            ("HTTP-6:head", head),
            ("HTTP-7:problem", problem),
            ("HTTP-8:cache", cache),
            ("HTTP-9:security", security),
            ("HTTP-9:server", server),
            ("HTTP-10:aliases", aliases),
        ],
    },
    Probe {
        scenario: &BASE,
        observation: Observation::Session(|subject| Box::pin(methods(subject))),
        checks: &[
            ("HTTP-6:method", method),
            ("HTTP-7:method", method_problem),
            ("RID-4:missing", has_id),
        ],
    },
];

/// The headers of HTTP-9 with their values.
const SECURITY: [(&str, &str); 3] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

async fn requests(subject: &mut Subject<'_>) {
    for path in ["/", "/health", "/ready", "/metrics"] {
        let nonce = subject.nonce();
        subject
            .send("head", nonce, request("HEAD", path, &[]))
            .await;
    }
    subject.get("page", "/", &[]).await;
    subject.get("infra", "/health", &[]).await;
    subject.get("infra", "/ready", &[]).await;
    subject.get("infra", "/metrics", &[]).await;
    subject
        .get_marked("unknown", "/.plimsoll/{nonce}", &[])
        .await;
    for path in ["/livez", "/healthz", "/readyz", "/startupz"] {
        subject.get("alias", path, &[]).await;
    }
}

async fn methods(subject: &mut Subject<'_>) {
    let nonce = subject.nonce();
    let post = request("POST", "/health", &["Content-Length: 0"]);
    subject.send("post", nonce, post).await;
    subject
        .get_marked("without handler", "/.plimsoll/{nonce}", &[])
        .await;
    for path in ["/.plimsoll/post", "/health"] {
        let nonce = subject.nonce();
        let id = format!("X-Request-ID: {nonce}");
        let post = request("POST", path, &["Content-Length: 0", &id]);
        subject.send("without handler", nonce, post).await;
    }
}

fn head(evidence: &Evidence) -> Judgement {
    judgement::each(evidence.exchanges("head"), |exchange| {
        let response = exchange.response();
        let holds = response.is_some_and(|it| it.status == 200 && it.body.is_empty());
        require(holds, || {
            Finding::response(exchange, "status 200 without a body")
        })
    })
}

fn method(evidence: &Evidence) -> Judgement {
    let (exchange, response) = evidence.answer("post")?;
    let allow = response.header("allow").unwrap_or_default();
    let allows_get = allow.split(',').any(|method| method.trim() == "GET");
    require(response.status == 405 && allows_get, || {
        let received = format!("status {}, allow: {allow:?}", response.status);
        Finding::exchange(exchange, received, "status 405 with GET in Allow")
    })
}

fn problem(evidence: &Evidence) -> Judgement {
    is_problem(evidence, "unknown", 404)
}

fn method_problem(evidence: &Evidence) -> Judgement {
    is_problem(evidence, "post", 405)
}

fn is_problem(evidence: &Evidence, name: &str, status: u16) -> Judgement {
    let (exchange, response) = evidence.answer(name)?;
    let body = Record::parse(&response.body);
    let is_complete = body.is_some_and(|body| {
        body.text("title").is_some()
            && body.get("status").and_then(serde_json::Value::as_u64) == Some(status.into())
            && body.text("request_id").is_some()
    });
    let holds = response.status == status
        && response.media_type() == "application/problem+json"
        && is_complete;
    require(holds, || {
        let expected = format!(
            "status {status}, application/problem+json, and an object with title, status and request_id"
        );
        Finding::response(exchange, expected)
    })
}

fn cache(evidence: &Evidence) -> Judgement {
    each(
        evidence,
        &["infra", "unknown"],
        "cache-control: no-store",
        |exchange| {
            header(exchange, "cache-control").is_some_and(|value| value.contains("no-store"))
        },
    )
}

fn security(evidence: &Evidence) -> Judgement {
    let expected = SECURITY.map(|(name, value)| format!("{name}: {value}"));
    each(
        evidence,
        &["page", "infra", "unknown"],
        &expected.join(", "),
        |exchange| {
            let mut headers = SECURITY.iter();
            headers.all(|(name, value)| header(exchange, name) == Some(value))
        },
    )
}

fn server(evidence: &Evidence) -> Judgement {
    each(
        evidence,
        &["page", "infra", "unknown"],
        "no header server",
        |exchange| header(exchange, "server").is_none(),
    )
}

fn aliases(evidence: &Evidence) -> Judgement {
    each(evidence, &["alias"], "status 200", |exchange| {
        exchange.status() == Some(200)
    })
}

fn has_id(evidence: &Evidence) -> Judgement {
    each(
        evidence,
        &["without handler"],
        "the x-request-id of the request",
        |exchange| header(exchange, "x-request-id") == Some(exchange.nonce.as_str()),
    )
}

fn header<'a>(exchange: &'a Exchange, name: &str) -> Option<&'a str> {
    exchange
        .response()
        .and_then(|response| response.header(name))
}

/// Judges each exchange with one of the names.
fn each(
    evidence: &Evidence,
    names: &[&str],
    expected: &str,
    holds: impl Fn(&Exchange) -> bool,
) -> Judgement {
    let exchanges = names.iter().flat_map(|name| evidence.exchanges(name));
    judgement::each(exchanges, |exchange| {
        require(holds(exchange), || {
            let received = match exchange.response() {
                Some(response) => {
                    let headers = response.headers.iter();
                    let headers = headers.map(|(name, value)| format!(", {name}: {value}"));
                    format!("status {}{}", response.status, headers.collect::<String>())
                }
                None => "no response".to_owned(),
            };
            Finding::exchange(exchange, received, expected)
        })
    })
}
