//! The handlers of the operator controls.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{
    answer::{self, Failure, millis, time},
    client::Client,
    controls::Controls,
    form::Form,
};
use crate::{
    check::CheckView,
    control::{ChangeRequest, Subject},
    lifecycle::Holder,
    metrics::AdminAction,
};

pub(super) type Answer = Result<Response, Failure>;
pub(super) type Shared = State<Arc<Controls>>;
type CheckName = Result<Path<String>, PathRejection>;

/// The time that an operator's hold on readiness lasts by default.
const READINESS_TTL: Duration = Duration::from_secs(30 * 60);

/// The time that the policy of a check is changed by default.
const CHECK_TTL: Duration = Duration::from_secs(3600);

pub(super) fn changes(controls: &Controls) -> Value {
    let (active, past) = controls.ledger.list();
    let list = |changes: &[_]| changes.iter().map(answer::change).collect::<Vec<_>>();
    json!({"inForce": list(&active), "past": list(&past)})
}

pub(super) fn startup(controls: &Controls) -> Value {
    let steps = controls.lifecycle.startup.steps();
    let steps: Vec<_> = steps
        .iter()
        .map(|step| {
            json!({
                "kind": step.kind.as_str(),
                "name": step.name,
                "beganMs": millis(step.began),
                "endedMs": step.ended.map(millis),
                "failures": step.failures,
                "error": step.error,
            })
        })
        .collect();
    json!({"state": controls.lifecycle.state_name(), "steps": steps})
}

pub(super) fn readiness(controls: &Controls) -> Value {
    let held = controls.lifecycle.hold_reasons();
    let held: Vec<_> = held
        .into_iter()
        .map(|(by, reason)| json!({"by": by, "reason": reason}))
        .collect();
    let change = controls.ledger.active(&readiness_subject());
    json!({
        "ready": controls.readiness.is_ready(),
        "state": controls.lifecycle.state_name(),
        "heldBy": held,
        "change": change.as_ref().map(answer::change),
    })
}

pub(super) async fn hold_readiness(
    State(controls): Shared,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let form = Form::read(&headers, body, &["ready"]).await?;
    form.only("ready", "false")?;
    let ttl = form.ttl(READINESS_TTL)?;
    controls.reject_if_ending()?;
    let readiness = controls.readiness.clone();
    let reason = form.reason();
    let text = match &*reason {
        "" => "an operator holds readiness".to_owned(),
        reason => format!("an operator holds readiness: {reason}"),
    };
    let request = ChangeRequest {
        subject: readiness_subject(),
        value: "false".to_owned(),
        was: controls.readiness.is_ready().to_string(),
        ttl: Some(ttl),
        reason,
        by: client.0,
    };
    let apply = move |value: Option<&str>| match value {
        Some(_) => readiness.hold(Holder::Operator, &text),
        None => readiness.release(Holder::Operator, "the operator's hold has ended"),
    };
    controls.change(request, Box::new(apply))
}

pub(super) async fn release_readiness(
    State(controls): Shared,
    Extension(client): Extension<Client>,
) -> Answer {
    controls.reject_if_ending()?;
    controls.end_change(&readiness_subject(), &client)
}

fn readiness_subject() -> Subject {
    (AdminAction::Readiness, String::new())
}

pub(super) fn checks(controls: &Controls) -> Value {
    let checks = controls.checks.views();
    let checks: Vec<_> = checks.iter().map(check).collect();
    let held = controls.lifecycle.held_by();
    let held: Vec<_> = held.iter().filter(|(_, is_held)| *is_held).collect();
    json!({
        "ready": controls.readiness.is_ready(),
        "heldBy": held.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        "total": checks.len(),
        "truncated": false,
        "checks": checks,
    })
}

fn check(view: &CheckView) -> Value {
    let changes = view
        .changes
        .iter()
        .map(|change| json!({"at": time(change.at), "state": change.state, "error": change.error}));
    json!({
        "name": view.name,
        "policy": view.policy,
        "requiredAtStart": view.is_required,
        "lifted": view.is_lifted,
        "state": view.state,
        "since": view.since.map(time),
        "result": view.result,
        "error": view.error,
        "ageMs": view.age.map(millis),
        "tookMs": view.took.map(millis),
        "runs": view.runs,
        "changes": changes.collect::<Vec<_>>(),
    })
}

pub(super) async fn lift_check(
    State(controls): Shared,
    Extension(client): Extension<Client>,
    name: CheckName,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let name = readable(name)?;
    let form = Form::read(&headers, body, &["policy"]).await?;
    form.only("policy", "observe")?;
    let ttl = form.ttl(CHECK_TTL)?;
    controls.reject_if_ending()?;
    let Some(policy) = controls.checks.policy(&name) else {
        return Err(unknown_check(&name));
    };
    let checks = controls.checks.clone();
    let subject = (AdminAction::CheckPolicy, name.clone());
    let was = match controls.ledger.active(&subject) {
        Some(_) => "observe",
        None => policy,
    };
    let request = ChangeRequest {
        subject,
        value: "observe".to_owned(),
        was: was.to_owned(),
        ttl: Some(ttl),
        reason: form.reason(),
        by: client.0,
    };
    let apply = move |value: Option<&str>| checks.lift(&name, value.is_some());
    controls.change(request, Box::new(apply))
}

pub(super) async fn restore_check(
    State(controls): Shared,
    Extension(client): Extension<Client>,
    name: CheckName,
) -> Answer {
    let name = readable(name)?;
    controls.reject_if_ending()?;
    if controls.checks.policy(&name).is_none() {
        return Err(unknown_check(&name));
    }
    controls.end_change(&(AdminAction::CheckPolicy, name), &client)
}

/// Returns the name of a check in the path.
fn readable(name: CheckName) -> Result<String, Failure> {
    // The text of the rejection would not be a problem document (contract HTTP-7).
    let name = name.map(|Path(name)| name);
    name.map_err(|_| Failure::bad_request("the name of the check is unreadable".to_owned()))
}

fn unknown_check(name: &str) -> Failure {
    Failure::new(StatusCode::NOT_FOUND).with_detail(format!(
        "there is no check named {:?}",
        name.chars().take(64).collect::<String>()
    ))
}

pub(super) async fn drain(
    State(controls): Shared,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let form = Form::read(&headers, body, &[]).await?;
    let request = ChangeRequest {
        subject: (AdminAction::Drain, String::new()),
        value: "drain".to_owned(),
        was: controls.lifecycle.state_name().to_owned(),
        ttl: None,
        reason: form.reason(),
        by: client.0,
    };
    let answer = controls.record_final(request);
    // A permit is kept until the service waits for it. A second one has no effect.
    controls.drain.notify_one();
    Ok(answer)
}
