//! The options of a service, and the files of the template that belong to one of them.

use clap::ValueEnum;

/// Options of a service, beyond HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Feature {
    /// Traces, exported over OTLP
    Otlp,
    /// A WebSocket
    Ws,
    /// A database, with a health check
    Postgres,
    /// A cache, with a health check
    Redis,
}

impl Feature {
    pub(super) const ALL: [Self; 4] = [Self::Otlp, Self::Ws, Self::Postgres, Self::Redis];

    /// Returns the name in markers and arguments.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Otlp => "otlp",
            Self::Ws => "ws",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }

    /// Returns the variable that the service needs to start, as a prefix of a command.
    pub(super) fn address(self) -> Option<&'static str> {
        match self {
            Self::Postgres => Some("DATABASE_URL=postgres://… "),
            Self::Redis => Some("REDIS_URL=redis://… "),
            Self::Otlp | Self::Ws => None,
        }
    }

    /// Whether the option has a component in `deploy/kubernetes/components/`.
    pub(super) fn has_component(self) -> bool {
        !matches!(self, Self::Ws)
    }

    /// Returns the option to which a file belongs as a whole.
    pub(super) fn of_file(path: &str) -> Option<Self> {
        let path = path
            .strip_prefix("services/rust-axum-app/src/")
            .unwrap_or(path);
        match path {
            "echo.rs" | "tests/echo.rs" => Some(Self::Ws),
            "database.rs" | "tests/database.rs" => Some(Self::Postgres),
            "cache.rs" | "tests/cache.rs" => Some(Self::Redis),
            _ => Self::ALL.into_iter().find(|feature| {
                let option = feature.as_str();
                path == format!("deploy/compose.{option}.yml")
                    || path.starts_with(&format!("deploy/kubernetes/components/{option}/"))
            }),
        }
    }
}
