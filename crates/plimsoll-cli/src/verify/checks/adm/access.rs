//! ADM-6 and ADM-7: the clients of the operator controls.

use super::{answer, authorised, control, controls, finding, has_status, open_controls};
use crate::verify::{
    evidence::Evidence,
    judgement::{Finding, Judgement, each, require},
    probe::{Observation, Probe},
    scenario::{ADMIN_TOKEN, OPERATED},
    subject::{Subject, request},
};

pub(super) const PROBE: Probe = Probe {
    scenario: &OPERATED,
    observation: Observation::Session(|subject| Box::pin(requests(subject))),
    checks: &[
        ("ADM-6:authorised", |evidence| {
            controls(evidence)?;
            has_status(evidence, "index", 200)
        }),
        ("ADM-6:denied", |evidence| {
            controls(evidence)?;
            has_status(evidence, "denied", 401)
        }),
        ("ADM-6:main", main_has_none),
        ("ADM-7:host", |evidence| {
            controls(evidence)?;
            has_status(evidence, "host", 421)
        }),
        ("ADM-7:origin", |evidence| {
            controls(evidence)?;
            has_status(evidence, "origin", 403)
        }),
        ("ADM-7:options", options),
        ("ADM-7:cache", cache),
    ],
};

async fn requests(subject: &mut Subject<'_>) {
    if !open_controls(subject).await {
        return;
    }
    let wrong = "Authorization: Bearer 0123456789abcdef0123456789abcdef0123";
    let token = format!("Authorization: Bearer {ADMIN_TOKEN}");
    for (path, headers) in [
        ("/admin", vec![]),
        ("/admin/config", vec![]),
        ("/admin/.plimsoll", vec![]),
        ("/admin/config", vec![wrong]),
        ("/admin/config", vec![&token, &token]),
    ] {
        subject
            .send_admin("denied", request("GET", path, &headers))
            .await;
    }
    subject.get("main", "/admin", &[&token]).await;
    subject.get("main", "/admin/config", &[&token]).await;
    let host = format!(
        "GET /admin HTTP/1.1\r\nHost: service.example\r\n{token}\r\nConnection: close\r\n\r\n"
    );
    subject.send_admin("host", host.into_bytes()).await;
    for header in [
        "Origin: http://service.example",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-origin",
    ] {
        let request = authorised("GET", "/admin", &[header], "");
        subject.send_admin("origin", request).await;
    }
    subject
        .send_admin("options", control("OPTIONS", "/admin", ""))
        .await;
}

fn main_has_none(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    each(evidence.exchanges("main"), |exchange| {
        // The application may have such a path itself, and answer otherwise than the controls.
        let is_control = exchange.status() == Some(200)
            && exchange.response().map(|it| it.media_type()) == Some("application/json".to_owned());
        require(!is_control, || {
            Finding::response(exchange, "no operator controls on the main listener")
        })
    })
}

fn options(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    let (exchange, response) = answer(evidence, "options")?;
    let is_open = response.header("access-control-allow-origin").is_some();
    require(response.status == 405 && !is_open, || {
        finding(exchange, "status 405, without access-control-allow-origin")
    })
}

fn cache(evidence: &Evidence) -> Judgement {
    controls(evidence)?;
    let names = ["index", "denied", "host", "origin", "options"];
    let exchanges = names.iter().flat_map(|name| evidence.exchanges(name));
    each(exchanges, |exchange| {
        let header = exchange
            .response()
            .and_then(|it| it.header("cache-control"));
        require(header == Some("no-store"), || {
            let received = format!("cache-control: {:?}", header.unwrap_or_default());
            Finding {
                received,
                ..finding(exchange, "cache-control: no-store")
            }
        })
    })
}
