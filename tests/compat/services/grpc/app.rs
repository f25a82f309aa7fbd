//! gRPC beside plain routes, on one port.

use axum::{Router, routing::get};
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::health_reporter};

pub async fn router() -> Router {
    let (reporter, health) = health_reporter();
    reporter
        .set_service_status("shop.Orders", ServingStatus::Serving)
        .await;
    Routes::new(health)
        .into_axum_router()
        .route("/", get(|| async { "gRPC and more\n" }))
}
