//! The settings of the log.

use crate::config::{
    reader::{Invalid, Reader},
    value::{LogFormat, LogLevels, ParseError},
};

/// What separates parameters of a query and a name from its value: no part of a name.
const SEPARATORS: [char; 3] = ['&', ';', '='];

/// The settings, checked one by one.
pub(super) struct Logging {
    pub(super) level: Result<LogLevels, Invalid>,
    pub(super) format: Result<LogFormat, Invalid>,
    pub(super) redact_query: Result<Option<Vec<String>>, Invalid>,
}

impl Logging {
    /// Reads them; the default of the format depends on `DEBUG`.
    pub(super) fn read(from: &mut Reader<'_>, debug: Result<bool, Invalid>) -> Self {
        let level = from
            .setting(
                "LOG_LEVEL",
                "Lowest level that is logged. `INFO,sqlx=WARNING` sets another one for a target \
                 and everything below it.",
            )
            .default("INFO")
            .example("INFO,sqlx=WARNING")
            .read::<LogLevels>();
        from.ignore("RUST_LOG", "LOG_LEVEL sets the level of the log");
        let pretty = debug == Ok(true) && from.stdout_is_terminal();
        let format = from
            .setting(
                "LOG_FORMAT",
                "JSON for log shippers, or coloured lines for a person.",
            )
            .default_from(
                "json; pretty if DEBUG=true and stdout is a terminal",
                if pretty {
                    LogFormat::Pretty
                } else {
                    LogFormat::Json
                }
                .as_str(),
            )
            .read::<LogFormat>();
        let redact_query = from
            .setting(
                "REDACT_QUERY",
                "Query parameters whose values are not logged, beside the built-in ones such as \
                 `token`, `password` and `signature`.",
            )
            .example("code,session_key")
            .read_optional_with("names separated by commas", names);
        Self {
            level,
            format,
            redact_query,
        }
    }
}

fn names(text: &str) -> Result<Vec<String>, ParseError> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    if names
        .iter()
        .any(|name| name.is_empty() || name.contains(SEPARATORS))
    {
        return Err(ParseError::new());
    }
    Ok(names)
}
