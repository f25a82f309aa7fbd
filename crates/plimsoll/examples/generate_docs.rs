//! Writes the documents that are made from code, or checks that they are what the code says:
//! settings, metrics, and the dashboards of Grafana.
//!
//! ```text
//! cargo run -p plimsoll --example generate_docs            # writes them
//! cargo run -p plimsoll --example generate_docs -- --check # fails if one differs
//! ```

#![expect(
    clippy::print_stderr,
    reason = "a command tells a person what is wrong"
)]

#[path = "generate_docs/dashboards.rs"]
mod dashboards;
#[path = "generate_docs/promql.rs"]
mod promql;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use plimsoll::{BuildInfo, config};

use self::promql::Known;

fn main() -> ExitCode {
    let check = std::env::args().any(|arg| arg == "--check");
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let dashboards = known(&root).and_then(|known| dashboards::files(&known));
    let dashboards = match dashboards {
        Ok(files) => files,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::FAILURE;
        }
    };
    let documents = documents().map(|(path, text)| (path.to_owned(), text));
    let mut differs = false;
    for (path, text) in documents.into_iter().chain(dashboards) {
        let file = root.join(&path);
        if fs::read_to_string(&file).is_ok_and(|there| there == text) {
            continue;
        }
        if check {
            eprintln!(
                "{path} is not what the code says: cargo run -p plimsoll --example generate_docs"
            );
            differs = true;
        } else if let Err(error) = fs::write(&file, text) {
            eprintln!("{path} cannot be written: {error}");
            differs = true;
        }
    }
    ExitCode::from(u8::from(differs))
}

/// The metrics that a dashboard may name: those of the code, and what the rules record.
fn known(root: &Path) -> Result<Known, String> {
    let mut known = Known::of_code(&plimsoll::metrics_table());
    let folder = root.join("deploy/prometheus/rules");
    let unreadable = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        known.add_recorded(&fs::read_to_string(file).map_err(unreadable)?);
    }
    Ok(known)
}

fn documents() -> [(&'static str, String); 3] {
    let definitions = config::definitions::<()>(&BuildInfo::new(
        "the binary's name",
        "the binary's",
        "unknown",
    ));
    let sample = config::definitions::<()>(&BuildInfo::new("rust-axum-app", "0.1.0", "unknown"));
    let settings = format!(
        "# Settings\n\n\
        <!-- Made from code by `cargo run -p plimsoll --example generate_docs`. -->\n\n\
        Everything is set by environment variables, or by a profile that `--env-file PATH` or \
        `ENV_FILE` names; the environment wins over the profile.\n\
        A name in brackets behind another one is an alias that the Django service has; the \
        native name wins.\n\
        A name in brackets alone is accepted and has no effect.\n\
        `OTEL_*` and `SSL_CERT_FILE` are settings of services that are built with the feature \
        `otlp`, as the reference service is.\n\
        An empty variable counts as unset.\n\
        `--check-config` shows what is in force and where it comes from.\n\n{}",
        definitions.markdown_table()
    );
    let metrics = format!(
        "# Metrics\n\n\
        <!-- Made from code by `cargo run -p plimsoll --example generate_docs`. -->\n\n\
        `GET /metrics` tells them in the Prometheus text format, or in OpenMetrics to whoever \
        prefers it in `Accept`.\n\
        A service's own metrics follow in the same answer.\n\
        Gauges and counters without labels are there from the start, at 0.\n\n{}",
        plimsoll::metrics_table()
    );
    [
        ("docs/settings.md", settings),
        ("docs/metrics.md", metrics),
        ("services/rust-axum-app/.env.sample", sample.env_sample()),
    ]
}
