//! The files of the page, in the program.
//!
//! They contain no data, so they need no token (CON-2).
//! Their names stay the same between versions, so browsers ask each time, and an unchanged file gets 304.
//! The content security policy lets the page run its own scripts only, without markup from text (CON-4).

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
    routing::get,
};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// Headers of all files.
const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("cache-control", "no-cache"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// A file of the page.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($path:literal, $name:literal, $content_type:expr;)*) => {
        &[$(Asset {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../../web/", $name)),
        }),*]
    };
}

const ASSETS: &[Asset] = assets![
    "/", "index.html", HTML;
    "/app.css", "app.css", "text/css; charset=utf-8";
    "/app.js", "app.js", SCRIPT;
    "/charts.js", "charts.js", SCRIPT;
    "/dom.js", "dom.js", SCRIPT;
    "/grid.js", "grid.js", SCRIPT;
    "/icon.svg", "icon.svg", "image/svg+xml";
    "/live.js", "live.js", SCRIPT;
    "/logs.js", "logs.js", SCRIPT;
    "/overview.js", "overview.js", SCRIPT;
    "/requests.js", "requests.js", SCRIPT;
    "/service.js", "service.js", SCRIPT;
];

/// Returns the routes of all files.
pub(super) fn routes() -> Router {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        let hash = digest(&SHA256, asset.bytes);
        let hash: String = hash.as_ref()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let etag = format!("\"{hash}\"");
        let handler = move |headers: HeaderMap| async move { response(asset, &etag, &headers) };
        router.route(asset.path, get(handler))
    })
}

fn response(asset: &Asset, etag: &str, request: &HeaderMap) -> Response {
    let known = request.get_all(header::IF_NONE_MATCH).iter();
    let is_known = known.filter_map(|value| value.to_str().ok()).any(|value| {
        let mut tags = value.split(',').map(str::trim);
        tags.any(|tag| tag == etag || tag.strip_prefix("W/") == Some(etag))
    });
    let body = match is_known {
        true => Body::empty(),
        false => Body::from(Bytes::from_static(asset.bytes)),
    };
    let mut response = Response::new(body);
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, etag);
    }
    let content_type = HeaderValue::from_static(asset.content_type);
    headers.insert(header::CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/web");
        let files = std::fs::read_dir(folder).unwrap().filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            match name.as_str() {
                "index.html" => Some("/".to_owned()),
                // For editors and checks only.
                name if name.ends_with(".d.ts") => None,
                name => Some(format!("/{name}")),
            }
        });
        let mut files: Vec<String> = files.collect();
        files.sort();
        let mut served: Vec<&str> = ASSETS.iter().map(|asset| asset.path).collect();
        served.sort_unstable();
        assert_eq!(files, served);
    }

    #[test]
    fn unchanged_file_is_not_sent_again() {
        let asset = &ASSETS[0];
        let mut request = HeaderMap::new();
        assert_eq!(response(asset, "\"a\"", &request).status(), 200);
        for (value, status) in [("\"a\"", 304), ("\"b\", W/\"a\"", 304), ("\"b\"", 200)] {
            request.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            let response = response(asset, "\"a\"", &request);
            assert_eq!(response.status(), status, "{value}");
            assert!(response.headers().contains_key("content-security-policy"));
        }
    }
}
