//! HTTP: the endpoints of a service.

use serde_json::Value;

use crate::verify::{
    evidence::Evidence,
    judgement::{Finding, Judgement, require},
    metrics::Scrape,
    probe::{Observation, Probe},
    record::Record,
    scenario::{BASE, BUILD_TIME, SERVICE_NAME, VERSION},
    subject::Subject,
};

pub(super) const PROBES: &[Probe] = &[Probe {
    scenario: &BASE,
    observation: Observation::Session(|subject| Box::pin(endpoints(subject))),
    checks: &[
        ("HTTP-1:banner", banner),
        ("HTTP-1:charset", charset),
        ("HTTP-2:info", info),
        ("HTTP-2:form", form),
        ("HTTP-3:live", |evidence| succeeds(evidence, "live")),
        ("HTTP-3:body", |evidence| body_is_ok(evidence, "live")),
        ("HTTP-4:ready", |evidence| succeeds(evidence, "ready")),
        ("HTTP-4:body", |evidence| body_is_ok(evidence, "ready")),
        ("HTTP-5:text", text),
        ("HTTP-5:openmetrics", openmetrics),
        ("CFG-1:build", build),
    ],
}];

/// The fields of `/info`, in order, with their values in the scenario.
const INFO: [(&str, &str); 3] = [
    ("service", SERVICE_NAME),
    ("version", VERSION),
    ("buildTime", BUILD_TIME),
];

async fn endpoints(subject: &mut Subject<'_>) {
    subject.get("root", "/", &[]).await;
    subject.get("info", "/info", &[]).await;
    subject.get("live", "/health", &[]).await;
    subject.get("ready", "/ready", &[]).await;
    subject.get("metrics", "/metrics", &[]).await;
    let accept = "Accept: application/openmetrics-text; version=1.0.0";
    subject.get("openmetrics", "/metrics", &[accept]).await;
}

fn banner(evidence: &Evidence) -> Judgement {
    let (exchange, response) = evidence.answer("root")?;
    let text = response.text();
    // A service at a URL has another name.
    let name = if evidence.start.is_some() {
        SERVICE_NAME
    } else {
        ""
    };
    let is_banner = text.starts_with(name)
        && text.contains(" is running")
        && text.find('\n') == Some(text.len().saturating_sub(1));
    let holds = response.status == 200 && response.media_type() == "text/plain" && is_banner;
    require(holds, || {
        let expected = format!(
            "status 200, text/plain, and one line that begins {name:?} and has \" is running\""
        );
        Finding::response(exchange, expected)
    })
}

fn charset(evidence: &Evidence) -> Judgement {
    let (exchange, response) = evidence.answer("root")?;
    let kind = response.header("content-type").unwrap_or_default();
    let kind = kind.to_ascii_lowercase().replace(' ', "");
    require(kind == "text/plain;charset=utf-8", || {
        Finding::response(exchange, "content-type: text/plain; charset=utf-8")
    })
}

fn info(evidence: &Evidence) -> Judgement {
    let (exchange, response) = evidence.answer("info")?;
    let fields = Record::parse(&response.body);
    let is_exact = fields.is_some_and(|fields| {
        let mut names: Vec<&str> = fields.names().collect();
        names.sort_unstable();
        names == ["buildTime", "service", "version"]
            && names.iter().all(|name| fields.text(name).is_some())
    });
    let holds = response.status == 200 && response.media_type() == "application/json" && is_exact;
    require(holds, || {
        let expected = "status 200, application/json, and an object of the texts service, version \
                        and buildTime alone";
        Finding::response(exchange, expected)
    })
}

fn form(evidence: &Evidence) -> Judgement {
    let (exchange, response) = evidence.answer("info")?;
    let fields = Record::parse(&response.body);
    let expected = fields.map(|fields| {
        let pairs = INFO.map(|(name, _)| {
            let value = fields.get(name).unwrap_or(&Value::Null);
            format!("\"{name}\":{value}")
        });
        format!("{{{}}}", pairs.join(","))
    });
    let expected = expected.unwrap_or_default();
    require(response.text() == expected, || {
        Finding::response(exchange, format!("body {expected:?}"))
    })
}

fn build(evidence: &Evidence) -> Judgement {
    let (exchange, response) = evidence.answer("info")?;
    evidence.require_command()?;
    let fields = Record::parse(&response.body);
    let holds = fields.is_some_and(|fields| {
        let mut pairs = INFO.iter();
        pairs.all(|(name, value)| fields.text(name) == Some(value))
    });
    require(holds, || {
        let expected = INFO.map(|(name, value)| format!("{name} {value:?}"));
        Finding::response(exchange, expected.join(", "))
    })
}

fn succeeds(evidence: &Evidence, name: &str) -> Judgement {
    let (exchange, response) = evidence.answer(name)?;
    require(response.status == 200, || {
        Finding::response(exchange, "status 200")
    })
}

fn body_is_ok(evidence: &Evidence, name: &str) -> Judgement {
    let (exchange, response) = evidence.answer(name)?;
    require(response.body == b"ok\n", || {
        Finding::response(exchange, "body \"ok\\n\"")
    })
}

fn text(evidence: &Evidence) -> Judgement {
    Scrape::of(evidence.exchange("metrics")?).map(drop)
}

fn openmetrics(evidence: &Evidence) -> Judgement {
    let (exchange, response) = evidence.answer("openmetrics")?;
    let holds = response.status == 200
        && response.media_type() == "application/openmetrics-text"
        && response.text().ends_with("\n# EOF\n");
    require(holds, || {
        let expected = "status 200, application/openmetrics-text, and # EOF as the last line";
        // The whole body would hide the difference, which is the type or the last line.
        let kind = response.header("content-type").unwrap_or("no content type");
        let last = response
            .text()
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        let received = format!("status {}, {kind}, last line {last:?}", response.status);
        Finding::exchange(exchange, received, expected)
    })
}
