//! The handlers that show and change log levels (contract ADM-11, ADM-12).

use std::{sync::Arc, time::Duration};

use axum::{Extension, body::Body, extract::State};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{
    answer::{self, Failure, time},
    client::Client,
    controls::Controls,
    form::Form,
    views::{Answer, Shared},
};
use crate::{
    config::LogLevels,
    control::{ChangeRequest, Subject},
    edge::is_request_id,
    metrics::AdminAction,
};

/// The time that levels are overridden by default.
const TTL: Duration = Duration::from_secs(10 * 60);

/// The most requests that have levels of their own.
const MAX_REQUESTS: usize = 8;

/// The shortest id of a request with levels of its own, so that it names one request only.
const MIN_ID: usize = 16;

fn subject() -> Subject {
    (AdminAction::LogLevel, String::new())
}

pub(super) fn show(controls: &Controls) -> Value {
    let levels = controls.log.levels();
    let change = controls.ledger.active(&subject());
    json!({
        "configured": levels.configured().to_string(),
        "inForce": levels.general().to_string(),
        "expiresAt": change.and_then(|change| change.expires_at).map(time),
    })
}

pub(super) async fn set(
    State(controls): Shared,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let form = Form::read(&headers, body, &["level"]).await?;
    let levels = parse(&controls, &form)?;
    let log = controls.log.clone();
    let request = ChangeRequest {
        subject: subject(),
        value: form.required("level")?.to_owned(),
        was: log.levels().general().to_string(),
        ttl: Some(form.ttl(TTL)?),
        reason: form.reason(),
        by: client.0,
    };
    let apply = move |value: Option<&str>| {
        log.levels().set_general(value.map(|_| levels.clone()));
    };
    controls.change(request, Box::new(apply))
}

pub(super) async fn reset(State(controls): Shared, Extension(client): Extension<Client>) -> Answer {
    controls.end_change(&subject(), &client)
}

pub(super) fn show_requests(controls: &Controls) -> Value {
    let changes = controls.ledger.active_of(AdminAction::RequestLogLevel);
    let changes: Vec<_> = changes.iter().map(answer::change).collect();
    json!({"total": changes.len(), "truncated": false, "requests": changes})
}

pub(super) async fn set_request(
    State(controls): Shared,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let form = Form::read(&headers, body, &["id", "level"]).await?;
    let id = form.required("id")?.to_owned();
    if id.len() < MIN_ID || !is_request_id(id.as_bytes()) {
        let text = format!("the field `id` must be a request id of {MIN_ID} characters at least");
        return Err(Failure::bad_request(text));
    }
    let levels = parse(&controls, &form)?;
    let ttl = form.ttl(TTL)?;
    let subject = (AdminAction::RequestLogLevel, id.clone());
    let active = controls.ledger.active_of(AdminAction::RequestLogLevel);
    let is_new = active
        .iter()
        .all(|change| change.request.subject != subject);
    if is_new && active.len() >= MAX_REQUESTS {
        return Err(Failure::new(StatusCode::CONFLICT).with_detail(format!(
            "{MAX_REQUESTS} requests have levels of their own, which is the limit"
        )));
    }
    let log = controls.log.clone();
    let request = ChangeRequest {
        subject,
        value: form.required("level")?.to_owned(),
        was: log.levels().general().to_string(),
        ttl: Some(ttl),
        reason: form.reason(),
        by: client.0,
    };
    let apply = move |value: Option<&str>| {
        log.levels().set_request(&id, value.map(|_| levels.clone()));
    };
    controls.change(request, Box::new(apply))
}

pub(super) async fn reset_requests(
    State(controls): Shared,
    Extension(client): Extension<Client>,
) -> Answer {
    controls.end_all(AdminAction::RequestLogLevel, &client)
}

/// Returns the levels of `LOG_LEVEL` with those of the form in their place.
fn parse(controls: &Arc<Controls>, form: &Form) -> Result<LogLevels, Failure> {
    let text = form.required("level")?;
    let configured = controls.log.levels().configured();
    configured.overridden(text).map_err(|error| {
        let reason = error.into_reason(false);
        let reason = reason.unwrap_or_else(|| "it is empty".into());
        Failure::bad_request(format!("the field `level` is no level: {reason}"))
    })
}
