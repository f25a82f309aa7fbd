//! Charts, the heat map, the table of routes and the life cycle of a service.

use axum::{
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::Response,
};
use serde::Serialize;

use super::{Api, json};
use crate::{
    ingest::scrape::{ChartError, Charts, HeatQuery, SeriesQuery},
    serve::{problem::Problem, query::Query},
};

/// `GET /api/series`
pub(super) async fn series(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(&uri, &["service", "name", "from", "to", "step"])?;
    let query = SeriesQuery {
        service: query.required("service")?,
        name: query.required("name")?,
        from: query.decimal("from")?,
        to: query.decimal("to")?,
        step: query.small("step")?,
    };
    answer(&api, move |charts| charts.series(&query)).await
}

/// `GET /api/heat`
pub(super) async fn heat(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(&uri, &["service", "from", "to", "step"])?;
    let query = HeatQuery {
        service: query.required("service")?,
        from: query.decimal("from")?,
        to: query.decimal("to")?,
        step: query.small("step")?,
    };
    answer(&api, move |charts| charts.heat(&query)).await
}

/// `GET /api/services/{name}/routes`
pub(super) async fn routes(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    answer(&api, move |charts| charts.routes(&name)).await
}

/// `GET /api/services/{name}/lifecycle`
pub(super) async fn lifecycle(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    answer(&api, move |charts| charts.lifecycle(&name)).await
}

/// Computes an answer in a thread for blocking work.
async fn answer<T: Serialize + Send + 'static>(
    api: &Api,
    work: impl FnOnce(&Charts) -> Result<T, ChartError> + Send + 'static,
) -> Result<Response, Problem> {
    let charts = api.parts.charts.clone();
    let answer = api.search(move |_| work(&charts)).await?;
    let answer = answer.map_err(|error| {
        let status = match error {
            ChartError::UnknownService(_) => StatusCode::NOT_FOUND,
            ChartError::UnknownChart(_) => StatusCode::BAD_REQUEST,
        };
        Problem::new(status, error.to_string())
    })?;
    json(StatusCode::OK, &answer)
}
