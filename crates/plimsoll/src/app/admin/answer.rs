//! The responses of the operator controls: JSON views and problems.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{BuildInfo, control::Change, edge::Problem, metrics::Cause as _, request::RequestId};

/// A request that fails. It is answered by a problem document (contract HTTP-7).
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) detail: Option<String>,
}

impl Failure {
    pub(super) const fn new(status: StatusCode) -> Self {
        Self {
            status,
            detail: None,
        }
    }

    pub(super) fn bad_request(detail: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST).with_detail(detail)
    }

    pub(super) fn with_detail(self, detail: String) -> Self {
        Self {
            detail: Some(detail),
            ..self
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        // The edge has assigned an id to every request.
        let id = RequestId::current();
        let id = id.as_ref().map_or("-", RequestId::as_str);
        let problem = Problem::new(self.status).with_detail(self.detail);
        let mut response = problem.answer(id);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// Builds a view: `at`, `service` and `version`, and the members of `content`, an object.
pub(super) fn view(build: &BuildInfo, status: StatusCode, content: Value) -> Response {
    let mut object = Map::new();
    object.insert("at".to_owned(), time(SystemTime::now()));
    object.insert("service".to_owned(), build.service().into());
    object.insert("version".to_owned(), build.version().into());
    if let Value::Object(content) = content {
        object.extend(content);
    }
    let mut text = Value::Object(object).to_string();
    text.push('\n');
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (status, content_type, text).into_response()
}

/// Returns a change as JSON.
pub(super) fn change(change: &Change) -> Value {
    let request = &change.request;
    let (action, object) = &request.subject;
    let mut value = json!({
        "id": change.id,
        "action": action.as_str(),
        "value": request.value,
        "was": request.was,
        "by": request.by,
        "reason": request.reason,
        "at": time(change.at),
        "expiresAt": change.expires_at.map(time),
    });
    if !object.is_empty() {
        value["object"] = object.as_str().into();
    }
    if let Some(end) = &change.end {
        value["end"] = end.kind.as_str().into();
        value["endedAt"] = time(end.at);
        value["endedBy"] = end.by.as_deref().into();
    }
    value
}

/// Cuts a text to `max` bytes, with `…` at the end.
pub(super) fn cut(text: &str, max: usize) -> Cow<'_, str> {
    let kept = &text[..text.floor_char_boundary(max)];
    if kept.len() < text.len() {
        format!("{kept}…").into()
    } else {
        text.into()
    }
}

/// Returns whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Returns a time as text (RFC 3339), in UTC.
pub(super) fn time(time: SystemTime) -> Value {
    humantime::format_rfc3339_millis(time).to_string().into()
}
