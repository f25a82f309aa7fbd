//! ADM-16 and ADM-17: views of the operator controls.

use super::{answer, control, controls, finding, has_status, open_controls};
use crate::verify::{
    evidence::Evidence,
    judgement::{Judgement, each, require},
    probe::{Observation, Probe},
    record::Record,
    scenario::{ADMIN_TOKEN, OPERATED, OTHER_SECRET_KEY, SECRET_KEY},
    subject::Subject,
};

pub(super) const PROBE: Probe = Probe {
    scenario: &OPERATED,
    observation: Observation::Session(|subject| Box::pin(views(subject))),
    checks: &[
        ("ADM-16:views", |evidence| {
            controls(evidence)?;
            has_status(evidence, "view", 200)
        }),
        ("ADM-16:private", private),
        ("ADM-17:bundle", bundle),
    ],
};

/// The views that clauses name.
const VIEWS: [&str; 8] = [
    "/admin/changes",
    "/admin/config",
    "/admin/connections",
    "/admin/errors",
    "/admin/requests",
    "/admin/routes",
    "/admin/runtime",
    "/admin/startup",
];

/// The largest bundle.
const MAX_BUNDLE: usize = 4 << 20;

/// Texts of a request, which no view contains.
const QUERY: &str = "query-of-plimsoll";
const HEADER: &str = "header-of-plimsoll";

async fn views(subject: &mut Subject<'_>) {
    if !open_controls(subject).await {
        return;
    }
    let path = format!("/.plimsoll/{{nonce}}?text={QUERY}");
    let header = format!("X-Text: {HEADER}");
    subject.get_marked("client", &path, &[&header]).await;
    for path in VIEWS {
        subject.send_admin("view", control("GET", path, "")).await;
    }
    let bundle = control("GET", "/admin/bundle", "");
    subject.send_admin("bundle", bundle).await;
}

fn private(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    let hidden = [ADMIN_TOKEN, SECRET_KEY, OTHER_SECRET_KEY, QUERY, HEADER];
    let views = evidence.exchanges("view");
    each(views.chain(evidence.exchanges("bundle")), |exchange| {
        let text = exchange.response().map(|response| response.text());
        let text = text.unwrap_or_default();
        require(!hidden.iter().any(|hidden| text.contains(hidden)), || {
            let expected = "neither a secret, nor a query or a header of a request";
            finding(exchange, expected)
        })
    })
}

fn bundle(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    let (exchange, response) = answer(evidence, "bundle")?;
    let text = response.text();
    let mut parts = VIEWS.iter().chain(&["/metrics"]);
    let holds = response.status == 200
        && Record::parse(&response.body).is_some()
        && response.body.len() <= MAX_BUNDLE
        && parts.all(|part| text.contains(part));
    require(holds, || {
        let expected = "status 200, and an object of at most 4 MiB with all views and /metrics";
        finding(exchange, expected)
    })
}
