//! The programs that are compared: each in its best shape, all with the same answer.

use std::{env, fs, path::PathBuf};

use crate::Failure;

/// The response of every peer to `GET /`.
pub const BANNER: &str = "rust-axum-app is running (Rust + Axum)\n";

#[derive(Debug, PartialEq, Eq)]
pub struct Peer {
    pub name: &'static str,
    /// What it does for a request, for the table.
    pub does: &'static str,
    /// The package, which is also the name of its program; or the path of a program.
    pub package: &'static str,
    pub environment: &'static [(&'static str, &'static str)],
    /// What stands in an access record and in no other line. `None`: it writes no access records.
    pub record: Option<&'static str>,
    /// The metric on `/metrics` that counts its answers. `None`: it has no metrics.
    pub counter: Option<&'static str>,
}

/// The package of the reference service, which is in another workspace.
pub const REFERENCE: &str = "rust-axum-app";
/// The program that Go builds, from `peers/go`.
pub const GO_PROGRAM: &str = "go_net_http";
/// A script that becomes nginx, as seen from the folder of the programs.
const NGINX_SCRIPT: &str = "../../peers/nginx/serve";

impl Peer {
    /// A program that it needs and that is not installed, with its Debian package.
    pub fn missing(&self) -> Option<(&'static str, &'static str)> {
        let needed = match self.package {
            GO_PROGRAM => ("go", "golang-go"),
            NGINX_SCRIPT => ("nginx", "nginx-light"),
            _ => return None,
        };
        let path = env::var_os("PATH").unwrap_or_default();
        // Debian's nginx is in a folder that not every user has in PATH.
        let mut folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let is_installed = folders.any(|it| it.join(needed.0).is_file());
        (!is_installed).then_some(needed)
    }

    /// Whether it can take part. If not, a line has the reason.
    pub fn takes_part(&self) -> bool {
        let missing = self.missing();
        if let Some((program, package)) = missing {
            let name = self.name;
            eprintln!(
                "{name} is left out: {program} is not installed; Debian: apt-get install {package}"
            );
        }
        missing.is_none()
    }
}

const RECORD: Option<&str> = Some(r#""message":"http_request""#);
const COUNTER: Option<&str> = Some("http_requests_total");
/// In the usual stack and in actix, records of scrapes are like any other.
const USUAL_RECORD: Option<&str> = Some(r#""path":"/""#);
const USUAL_COUNTER: Option<&str> = Some("axum_http_requests_total");

pub static BARE: Peer = Peer {
    name: "bare",
    does: "`axum::serve`, one route, nothing else",
    package: "bare",
    environment: &[],
    record: None,
    counter: None,
};

pub static BARE_HTTP2: Peer = Peer {
    name: "bare",
    does: "`axum::serve` with axum's HTTP/2, one route, nothing else",
    package: "bare_http2",
    environment: &[],
    record: None,
    counter: None,
};

pub static RAW_HYPER: Peer = Peer {
    name: "raw_hyper",
    does: "hyper, one `current_thread` runtime per core, nothing else",
    package: "raw_hyper",
    environment: &[],
    record: None,
    counter: None,
};

/// The same with TLS, if there is a certificate.
pub static RAW_HYPER_TLS: Peer = Peer {
    name: "raw_hyper",
    does: "hyper and rustls, one `current_thread` runtime per core, nothing else",
    package: "raw_hyper_more",
    environment: &[("PROTOCOL", "http1")],
    record: None,
    counter: None,
};

pub static RAW_HYPER_HTTP2: Peer = Peer {
    name: "raw_hyper",
    does: "hyper's HTTP/2, one `current_thread` runtime per core, nothing else",
    package: "raw_hyper_more",
    environment: &[("PROTOCOL", "http2")],
    record: None,
    counter: None,
};

pub static CHASSIS: Peer = Peer {
    name: "chassis",
    does: "the reference service, everything on",
    package: REFERENCE,
    environment: &[],
    record: RECORD,
    counter: COUNTER,
};

/// The reference service with line tables and frame pointers.
pub static PROFILED: Peer = Peer {
    name: "chassis",
    does: "the reference service, everything on",
    package: "../profile/release/rust-axum-app",
    environment: &[],
    record: RECORD,
    counter: COUNTER,
};

pub static USUAL_BLOCKING: Peer = Peer {
    name: "usual_blocking",
    does: "`TraceLayer`, request ids, axum-prometheus, tracing-subscriber's JSON to stdout",
    package: "usual",
    environment: &[("LOG_VARIANT", "blocking")],
    record: USUAL_RECORD,
    counter: USUAL_COUNTER,
};

pub static USUAL_APPENDER: Peer = Peer {
    name: "usual_appender",
    does: "the usual stack, its JSON through tracing-appender",
    package: "usual",
    environment: &[("LOG_VARIANT", "appender")],
    record: USUAL_RECORD,
    counter: USUAL_COUNTER,
};

pub static USUAL_JSON_SUBSCRIBER: Peer = Peer {
    name: "usual_json_subscriber",
    does: "the usual stack, JSON by json-subscriber through tracing-appender",
    package: "usual",
    environment: &[("LOG_VARIANT", "json_subscriber")],
    record: USUAL_RECORD,
    counter: USUAL_COUNTER,
};

pub static ACTIX: Peer = Peer {
    name: "actix",
    does: "actix-web with its logger, in JSON, and actix-web-prom",
    package: "actix",
    environment: &[],
    record: Some(r#""request":"GET / "#),
    counter: Some("bench_http_requests_total"),
};

/// It has no metrics, so the expected number of records is what the load generator counts.
pub static NGINX: Peer = Peer {
    name: "nginx",
    does: "nginx, one worker, the chassis's headers and fields of the record, but no metrics",
    package: NGINX_SCRIPT,
    environment: &[],
    record: RECORD,
    counter: None,
};

pub static GO: Peer = Peer {
    name: "go",
    does: "Go's net/http, one route, `GOMAXPROCS=1`, nothing else",
    package: GO_PROGRAM,
    environment: &[("GOMAXPROCS", "1")],
    record: None,
    counter: None,
};

/// `axum::serve` with a configured number of routes.
pub static PART_NONE: Peer = Peer {
    name: "bare",
    does: "`axum::serve` and a router, nothing else",
    package: "parts",
    environment: &[("PART", "none")],
    record: None,
    counter: None,
};

pub static PART_EDGE: Peer = Peer {
    name: "edge",
    does: "the chassis as a layer under `axum::serve`, without its own connections",
    package: "parts",
    environment: &[("PART", "edge"), ("ROUTES", "0")],
    record: RECORD,
    counter: COUNTER,
};

/// The whole chassis with a configured number of routes.
pub static PART_ALL: Peer = Peer {
    name: "chassis",
    does: "the whole chassis and a router",
    package: "parts",
    environment: &[("PART", "all")],
    record: RECORD,
    counter: COUNTER,
};

/// `axum::serve` with a handler that blocks.
pub static BLOCKING_BARE: Peer = Peer {
    name: "bare",
    does: "`axum::serve` with axum's HTTP/2, one route, nothing else",
    package: "blocking",
    environment: &[("PART", "none")],
    record: None,
    counter: None,
};

/// The whole chassis with a handler that blocks.
pub static BLOCKING: Peer = Peer {
    name: "chassis",
    does: "the whole chassis and one route",
    package: "blocking",
    environment: &[("PART", "all"), ("HTTP2_CLEARTEXT", "on")],
    record: RECORD,
    counter: COUNTER,
};

/// Another build of the reference service. It lives as long as this process.
pub fn before(program: &str) -> Result<&'static Peer, Failure> {
    let program = fs::canonicalize(program).map_err(|it| format!("{program}: {it}"))?;
    let package = program
        .to_str()
        .ok_or("the path of the program is not UTF-8")?
        .to_owned();
    Ok(Box::leak(Box::new(Peer {
        name: "before",
        does: CHASSIS.does,
        package: package.leak(),
        environment: &[],
        record: RECORD,
        counter: COUNTER,
    })))
}
