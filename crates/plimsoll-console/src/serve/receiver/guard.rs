//! The origin of telemetry (CON-3).
//!
//! Every page in a browser can send requests to a loopback port.
//! Exporters are no pages, so a request with an origin is rejected, unless it is that of `--otlp-origin`.
//! Only that origin gets the headers of CORS, which its exporter needs for `application/json`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::serve::problem::Problem;

/// The origin whose pages may send telemetry.
#[derive(Debug)]
pub(super) struct Origin(Option<String>);

/// What is known of the sender.
#[derive(Debug, PartialEq, Eq)]
enum Sender {
    /// No page of a browser.
    Process,
    /// A page of the admitted origin.
    Admitted(HeaderValue),
    /// Another page.
    Foreign,
}

impl Origin {
    pub(super) fn new(origin: Option<String>) -> Self {
        Self(origin)
    }

    fn sender(&self, headers: &HeaderMap) -> Sender {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => {
                let mut sites = headers.get_all("sec-fetch-site").iter();
                if sites.all(|site| site == "none" || site == "same-origin") {
                    Sender::Process
                } else {
                    Sender::Foreign
                }
            }
            (Some(origin), None) if self.0.as_deref().is_some_and(|it| origin == it) => {
                Sender::Admitted(origin.clone())
            }
            _ => Sender::Foreign,
        }
    }
}

/// Rejects requests that pages of other origins cause.
pub(super) async fn check(
    State(admitted): State<Arc<Origin>>,
    request: Request,
    next: Next,
) -> Response {
    match admitted.sender(request.headers()) {
        Sender::Process => next.run(request).await,
        Sender::Admitted(origin) => {
            let mut response = match *request.method() {
                Method::OPTIONS => preflight(),
                _ => next.run(request).await,
            };
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
            response
        }
        Sender::Foreign => {
            let detail = "telemetry of web pages is rejected; --otlp-origin admits one origin";
            Problem::new(StatusCode::FORBIDDEN, detail).into_response()
        }
    }
}

fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "content-type, content-encoding",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "http://localhost:3000";

    fn sender(headers: &[(&'static str, &'static str)]) -> Sender {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Origin::new(Some(ORIGIN.to_owned())).sender(&map)
    }

    #[test]
    fn process_and_admitted_origin_are_accepted() {
        assert_eq!(sender(&[]), Sender::Process);
        let admitted = Sender::Admitted(HeaderValue::from_static(ORIGIN));
        assert_eq!(sender(&[("origin", ORIGIN)]), admitted);
        let cross = [("origin", ORIGIN), ("sec-fetch-site", "same-site")];
        assert_eq!(sender(&cross), admitted);
    }

    #[test]
    fn other_origins_are_foreign() {
        for origin in [
            "null",
            "",
            "http://localhost:4318",
            "http://localhost:3000.evil.example",
        ] {
            assert_eq!(sender(&[("origin", origin)]), Sender::Foreign, "{origin}");
        }
        assert_eq!(sender(&[("sec-fetch-site", "cross-site")]), Sender::Foreign);
        let twice = [("origin", ORIGIN), ("origin", "http://evil.example")];
        assert_eq!(sender(&twice), Sender::Foreign);
    }
}
