//! The error of extractors outside of the chassis.

/// The error of an extractor of the chassis in a request that the chassis does not handle.
///
/// As a response it is 500. To test a router by itself, use `plimsoll::testing::TestService` (feature
/// `testing`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this extractor works only in requests that a plimsoll service or layer handles")]
#[non_exhaustive]
pub struct OutsideRequest;

impl axum::response::IntoResponse for OutsideRequest {
    fn into_response(self) -> axum::response::Response {
        (http::StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}
