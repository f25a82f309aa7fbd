//! Who is compared: each in its best shape, all with the same answer.

/// What everybody answers to `GET /`.
pub const BANNER: &str = "rust-axum-app is running (Rust + Axum)\n";

#[derive(Debug)]
pub struct Peer {
    pub name: &'static str,
    /// What it does for a request, for the table.
    pub does: &'static str,
    /// The package, which is also the name of its program.
    pub package: &'static str,
    pub environment: &'static [(&'static str, &'static str)],
    /// What stands in an access record and in no other line. `None`: it writes no access records.
    pub record: Option<&'static str>,
    /// Its own count of answers to `GET /` on `/metrics`: the name of the metric.
    pub counter: Option<&'static str>,
    /// Whether it is in `--quick`.
    pub quick: bool,
}

pub const CHASSIS: &str = "rust-axum-app";
const ACCESS: Option<&str> = Some(r#""message":"http_request""#);
/// Their records of `/metrics` are like any other.
const USUAL: Option<&str> = Some(r#""path":"/""#);

/// In the order in which they take turns. The first two are what others are compared with.
pub static ALL: &[Peer] = &[
    Peer {
        name: "bare",
        does: "`axum::serve`, one route, nothing else",
        package: "bare",
        environment: &[],
        record: None,
        counter: None,
        quick: true,
    },
    Peer {
        name: "raw_hyper",
        does: "hyper, one `current_thread` runtime per core, nothing else",
        package: "raw_hyper",
        environment: &[],
        record: None,
        counter: None,
        quick: true,
    },
    Peer {
        name: "chassis",
        does: "the reference service, everything on",
        package: CHASSIS,
        environment: &[],
        record: ACCESS,
        counter: Some("http_requests_total"),
        quick: true,
    },
    Peer {
        name: "usual_blocking",
        does: "`TraceLayer`, request ids, axum-prometheus, tracing-subscriber's JSON to stdout",
        package: "usual",
        environment: &[("LOG_VARIANT", "blocking")],
        record: USUAL,
        counter: Some("axum_http_requests_total"),
        quick: false,
    },
    Peer {
        name: "usual_appender",
        does: "the usual stack, its JSON through tracing-appender",
        package: "usual",
        environment: &[("LOG_VARIANT", "appender")],
        record: USUAL,
        counter: Some("axum_http_requests_total"),
        quick: false,
    },
    Peer {
        name: "usual_json_subscriber",
        does: "the usual stack, JSON by json-subscriber through tracing-appender",
        package: "usual",
        environment: &[("LOG_VARIANT", "json_subscriber")],
        record: USUAL,
        counter: Some("axum_http_requests_total"),
        quick: true,
    },
];
