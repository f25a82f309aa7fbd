//! Writes the documents that are made from code, or checks that they are what the code says.
//!
//! ```text
//! cargo run -p plimsoll --example generate_docs            # writes them
//! cargo run -p plimsoll --example generate_docs -- --check # fails if one differs
//! ```

#![expect(
    clippy::print_stderr,
    reason = "a command tells a person what is wrong"
)]

use std::{fs, path::PathBuf, process::ExitCode};

use plimsoll::{BuildInfo, config};

fn main() -> ExitCode {
    let check = std::env::args().any(|arg| arg == "--check");
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut differs = false;
    for (path, text) in documents() {
        let file = root.join(path);
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
        Names in brackets are aliases that the Django service has; the native name wins.\n\
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
