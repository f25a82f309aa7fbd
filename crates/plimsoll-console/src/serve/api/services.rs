//! Controls of children.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};

use super::{Api, json};
use crate::{
    children::{Control, Refusal},
    serve::problem::Problem,
};

/// `POST /api/services/{name}/start`, `stop` or `restart`
pub(super) async fn control(
    State(api): State<Api>,
    Path((name, control)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let control = match control.as_str() {
        "start" => Control::Start,
        "stop" => Control::Stop,
        "restart" => Control::Restart,
        _ => return Err(Problem::new(StatusCode::NOT_FOUND, "no such control")),
    };
    let change = api.parts.services.control(&name, control).await;
    let change = change.map_err(|refusal| {
        let status = match refusal {
            Refusal::Unknown => StatusCode::NOT_FOUND,
            _ => StatusCode::CONFLICT,
        };
        Problem::new(status, refusal.to_string())
    })?;
    json(
        StatusCode::ACCEPTED,
        &serde_json::json!({ "change": change }),
    )
}
