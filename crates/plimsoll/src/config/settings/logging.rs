//! The settings of the log.

use crate::config::{
    reader::{Invalid, Reader},
    value::{LogFormat, LogLevels, ParseError},
};

/// The separators of query parameters, and of name and value. A name contains none of them.
const SEPARATORS: [char; 3] = ['&', ';', '='];

/// Levels, format and redaction of the log.
pub(super) struct Logging {
    pub(super) level: LogLevels,
    pub(super) debug_on_error: bool,
    pub(super) format: LogFormat,
    pub(super) redact_query: Vec<String>,
}

/// Reads `LOG_LEVEL`, `DEBUG_ON_ERROR`, `LOG_FORMAT` and `REDACT_QUERY`. The default format depends on `DEBUG`.
pub(super) fn read(
    from: &mut Reader<'_>,
    debug: Result<bool, Invalid>,
) -> Result<Logging, Invalid> {
    let level = from
        .setting(
            "LOG_LEVEL",
            "Lowest level that is logged. `INFO,sqlx=WARNING` sets another level for a \
             target and its children.",
        )
        .default("INFO")
        .example("INFO,sqlx=WARNING")
        .read::<LogLevels>();
    // Off: each DEBUG event of a request is formatted, also if the request succeeds.
    let debug_on_error = from
        .setting(
            "DEBUG_ON_ERROR",
            "Write the last DEBUG records of a request that fails or is slow, whatever `LOG_LEVEL` \
             is. Each request keeps them until it ends.",
        )
        .default("false")
        .read();
    from.ignore("RUST_LOG", "LOG_LEVEL sets the level of the log");
    let default_format = if debug == Ok(true) && from.stdout_is_terminal() {
        LogFormat::Pretty
    } else {
        LogFormat::Json
    };
    let format = from
        .setting(
            "LOG_FORMAT",
            "JSON for log shippers, or coloured lines for a terminal.",
        )
        .default_from(
            "json; pretty if DEBUG=true and stdout is a terminal",
            default_format.as_str(),
        )
        .read::<LogFormat>();
    let redact_query = from
        .setting(
            "REDACT_QUERY",
            "Query parameters whose values are not logged, in addition to built-in ones such as \
             `token`, `password` and `signature`.",
        )
        .example("code,session_key")
        .read_optional_with("names separated by commas", names);
    Ok(Logging {
        level: level?,
        debug_on_error: debug_on_error?,
        format: format?,
        redact_query: redact_query?.unwrap_or_default(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        Environment, load,
        settings::tests::{BUILD, try_with, with},
    };

    /// LOG-3
    #[test]
    fn names_of_redacted_parameters_are_a_list() {
        let names = |text| with(&[("REDACT_QUERY", text)]).redact_query;
        assert_eq!(names("code"), ["code"]);
        assert_eq!(names("code, session-key"), ["code", "session-key"]);
        assert_eq!(with(&[]).redact_query, [""; 0]);
        for text in [",", "a,", "a=b", "a&b", "a;b"] {
            assert!(try_with(&[("REDACT_QUERY", text)]).is_err(), "{text}");
        }
    }

    #[test]
    fn logs_are_pretty_only_on_a_terminal_with_debug() {
        #[track_caller]
        fn check(pairs: &[(&str, &str)], terminal: bool, expect: LogFormat) {
            let environment =
                Environment::from_pairs(pairs.iter().copied()).with_terminal(terminal);
            let config = load::<()>(&BUILD, &environment).unwrap().config;
            assert_eq!(config.log_format, expect);
        }
        let debug = ("DEBUG", "true");
        check(&[], true, LogFormat::Json);
        check(&[debug], false, LogFormat::Json);
        check(&[debug], true, LogFormat::Pretty);
        check(&[debug, ("LOG_FORMAT", "json")], true, LogFormat::Json);
        check(&[("LOG_FORMAT", "pretty")], false, LogFormat::Pretty);
    }
}
