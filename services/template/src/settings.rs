//! The settings of the service, beside those of the chassis. `--help` lists both.

use std::time::Duration;

use axum::http::{Uri, uri::InvalidUri};
use plimsoll::config::{self, Invalid, ParseError, Reader};

pub(crate) struct Settings {
    pub(crate) greeting: String,
    pub(crate) summary_interval: Duration,
    pub(crate) upstream_url: Uri,
    // +postgres
    pub(crate) database_url: config::Secret,
    // -postgres
    // +redis
    pub(crate) redis_url: config::Secret,
    // -redis
}

impl config::Settings for Settings {
    fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
        let greeting = from
            .setting("GREETING", "First word of a greeting.")
            .default("hello")
            .read();
        let summary_interval = from
            .setting("SUMMARY_INTERVAL", "Time between two summaries in the log.")
            .default("60s")
            .read();
        let upstream_url = from
            .setting("UPSTREAM_URL", "URL that `/upstream` requests.")
            .default("http://localhost:8080/hello/upstream")
            .read_with("a URL", |text| {
                text.parse()
                    .map_err(|error: InvalidUri| ParseError::because(error.to_string()))
            });
        // +postgres
        let database_url = from
            .setting("DATABASE_URL", "URL of Postgres, with its password.")
            .example("postgres://user:password@localhost/name")
            .read();
        // -postgres
        // +redis
        let redis_url = from
            .setting("REDIS_URL", "URL of Redis, with its password.")
            .example("redis://:password@localhost")
            .read();
        // -redis
        // All settings are read before the first `?`, so that all errors are reported together.
        Ok(Self {
            greeting: greeting?,
            summary_interval: summary_interval?,
            upstream_url: upstream_url?,
            // +postgres
            database_url: database_url?,
            // -postgres
            // +redis
            redis_url: redis_url?,
            // -redis
        })
    }
}
