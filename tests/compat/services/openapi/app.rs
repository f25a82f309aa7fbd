//! Routes that describe themselves.

use axum::{
    Json, Router,
    extract::{Path, Query},
    http::StatusCode,
    routing::get,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

#[derive(OpenApi)]
#[openapi(info(title = "Pets", version = "1.0.0"))]
struct Api;

pub fn router() -> Router {
    let (router, api) = OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(list))
        .routes(routes!(read))
        .split_for_parts();
    router.route("/openapi.json", get(|| async move { Json(api) }))
}

#[derive(Serialize, ToSchema)]
struct Pet {
    id: u32,
    name: String,
}

#[derive(Deserialize, IntoParams)]
struct Page {
    /// At most this many.
    limit: Option<usize>,
}

fn pets() -> Vec<Pet> {
    let names = ["Ada", "Bob", "Cleo"].into_iter();
    (1..)
        .zip(names)
        .map(|(id, name)| Pet {
            id,
            name: name.to_owned(),
        })
        .collect()
}

/// All pets.
#[utoipa::path(get, path = "/pets", params(Page), responses((status = 200, body = Vec<Pet>)))]
async fn list(Query(page): Query<Page>) -> Json<Vec<Pet>> {
    let limit = page.limit.unwrap_or(usize::MAX);
    Json(pets().into_iter().take(limit).collect())
}

/// One pet.
#[utoipa::path(get, path = "/pets/{id}", responses((status = 200, body = Pet), (status = 404)))]
async fn read(Path(id): Path<u32>) -> Result<Json<Pet>, StatusCode> {
    let pet = pets().into_iter().find(|pet| pet.id == id);
    pet.map(Json).ok_or(StatusCode::NOT_FOUND)
}
