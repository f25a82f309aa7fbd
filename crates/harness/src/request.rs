//! The text of one request over its own connection, and its access record.

use serde_json::Value;

use crate::process::Process;

/// Returns a request with `Connection: close`.
///
/// Each line of `headers` ends with `\r\n`.
///
/// # Examples
///
/// ```
/// let text = harness::request("GET", "/info", "X-Request-ID: demo\r\n");
/// assert!(text.starts_with("GET /info HTTP/1.1\r\n"));
/// assert!(text.ends_with("\r\nX-Request-ID: demo\r\n\r\n"));
/// ```
#[must_use]
pub fn request(method: &str, target: &str, headers: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
}

/// Waits up to ten seconds for the access record of the first request for this raw path.
///
/// # Panics
///
/// If there is no such record in time, or a line of standard output is not a JSON object.
#[track_caller]
pub fn access_record(process: &Process, raw_path: &str) -> Value {
    process.wait_for_record(|record| {
        record["message"] == "http_request" && record["rawPath"] == raw_path
    })
}
