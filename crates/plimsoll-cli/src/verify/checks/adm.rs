//! ADM, HTTP-11 and CLI-4: the admin listener and its operator controls.
//!
//! A service without the listener, or without the controls, breaks no promise: then nothing is proven.

mod access;
mod changes;
mod drain;
mod limits;
mod listener;
mod settings;
mod views;

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, each, require},
        probe::Probe,
        scenario::ADMIN_TOKEN,
        subject::{Subject, request},
    },
    wire::{Exchange, Response},
};

/// All probes. The one that changes most is the last one, apart from the shutdown.
pub(super) const PROBES: &[Probe] = &[
    listener::PROBE,
    listener::ALONE,
    access::PROBE,
    settings::PROBE,
    views::PROBE,
    changes::PROBE,
    limits::PROBE,
    drain::PROBE,
];

/// The time up to which a change of readiness is polled.
const POLLED: Duration = Duration::from_secs(3);

/// The pause between two polls.
const POLL: Duration = Duration::from_millis(20);

/// Requests the listener and its controls. Returns whether there is a listener.
async fn open(subject: &mut Subject<'_>) -> bool {
    let health = request("GET", "/health", &[]);
    subject.send_admin("listener", health).await;
    let is_open = subject.evidence().answer("listener").is_ok();
    if is_open {
        subject
            .send_admin("index", control("GET", "/admin", ""))
            .await;
    }
    is_open
}

/// Requests the listener and its controls. Returns whether there are controls.
async fn open_controls(subject: &mut Subject<'_>) -> bool {
    open(subject).await && controls(subject.evidence()).is_ok()
}

/// Polls readiness until it has the status, or is not answered. Returns whether it does in time.
async fn poll(subject: &mut Subject<'_>, name: &'static str, status: Option<u16>) -> bool {
    let wire = subject.wire();
    let end = wire.elapsed() + POLLED;
    while wire.elapsed() < end {
        subject.get(name, "/ready", &[]).await;
        let last = subject.evidence().exchanges(name).last();
        match last.and_then(Exchange::status) {
            found if found == status => return true,
            Some(_) => sleep(POLL).await,
            // The service has ended, or is stuck.
            None => return false,
        }
    }
    false
}

/// Requires an admin listener.
fn listener(evidence: &Evidence) -> Result<(), Fault> {
    let exchange = evidence.exchange("listener")?;
    let reason = "admin listener not offered: nothing answers at ADMIN_ADDR";
    let response = exchange.response().map(drop);
    response.ok_or_else(|| Fault::not_proven(reason))
}

/// Requires operator controls on the admin listener.
fn controls(evidence: &Evidence) -> Result<(), Fault> {
    listener(evidence)?;
    if evidence.exchange("index")?.status() == Some(404) {
        let reason = "operator controls not offered: /admin is 404 with ADMIN_TOKEN";
        return Err(Fault::not_proven(reason));
    }
    Ok(())
}

/// Returns the first exchange with this name on the admin listener, and its response.
fn answer<'a>(evidence: &'a Evidence, name: &str) -> Result<(&'a Exchange, &'a Response), Fault> {
    let exchange = evidence.exchange(name)?;
    match exchange.response() {
        Some(response) => Ok((exchange, response)),
        None => Err(finding(exchange, "a response").into()),
    }
}

/// Creates a finding about a response of the admin listener, which no command repeats.
fn finding(exchange: &Exchange, expected: impl Into<String>) -> Finding {
    let finding = Finding::response(exchange, expected);
    finding.sent_as(|sent| format!("{sent} on the admin listener"))
}

/// Requires the status of each exchange with this name on the admin listener.
fn has_status(evidence: &Evidence, name: &str, status: u16) -> Judgement {
    answer(evidence, name)?;
    each(evidence.exchanges(name), |exchange| {
        require(exchange.status() == Some(status), || {
            finding(exchange, format!("status {status}"))
        })
    })
}

/// Returns a request with the token and, unless it is empty, a form.
fn control(method: &str, path: &str, form: &str) -> Vec<u8> {
    let kind = "Content-Type: application/x-www-form-urlencoded";
    match form.is_empty() {
        true => authorised(method, path, &[], form),
        false => authorised(method, path, &[kind], form),
    }
}

/// Returns a request with the token, headers and, unless it is empty, a body.
fn authorised(method: &str, path: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let token = format!("Authorization: Bearer {ADMIN_TOKEN}");
    let length = format!("Content-Length: {}", body.len());
    let mut all = vec![token.as_str()];
    all.extend(headers);
    if !body.is_empty() {
        all.push(&length);
    }
    let mut bytes = request(method, path, &all);
    bytes.extend_from_slice(body.as_bytes());
    bytes
}
