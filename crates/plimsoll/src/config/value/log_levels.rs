//! Log levels: a threshold for all targets, and other thresholds for some targets.
//!
//! ```text
//! LOG_LEVEL=INFO,sqlx=WARNING,my_crate::db=DEBUG
//!           │    │            └ for my_crate::db and everything below it
//!           │    └ for sqlx and everything below it
//!           └ for all other targets; INFO if no item is without a target
//! ```
//!
//! The names are those of Python's logging, as in the logs of the Django service. Rust's `WARN`,
//! `TRACE` and `OFF` are accepted too. Python has no level below `DEBUG`, so a trace record has the
//! `levelname` `DEBUG`. `OFF` is `CRITICAL`: a record that the service cannot continue is always
//! written.
//!
//! # Own parser
//!
//! `tracing_subscriber::filter::Targets` has no `CRITICAL`, and its target `sqlx` covers
//! `sqlx_core`.
//!
//! # Invariants
//!
//! * The longest target that covers a record decides. A target covers itself and its children after
//!   `::`: `sqlx` covers `sqlx::query`, not `sqlx_core`.
//! * The text of `Display` parses to the same levels.

use std::fmt;

use super::{FromSetting, ParseError, one_of};

/// The severity of a log record, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Every step, for debugging a library. The `levelname` is `DEBUG`.
    Trace,
    /// Details for development.
    Debug,
    /// A normal event.
    Info,
    /// An event that an operator should examine, without urgency.
    Warning,
    /// A failure.
    Error,
    /// The service cannot continue. Always written, whatever the threshold.
    Critical,
}

/// The thresholds of all targets: the value of `LOG_LEVEL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevels {
    default: Level,
    /// Longest target first, so that the first that covers a record decides.
    targets: Vec<(String, Level)>,
}

// === impl Level ===

impl Level {
    /// The `levelname` of a record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace | Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    /// The word in `LOG_LEVEL`, which distinguishes trace from debug.
    const fn setting_word(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            other => other.as_str(),
        }
    }

    fn parse(text: &str) -> Result<Self, ParseError> {
        one_of(
            text,
            &[
                ("TRACE", Self::Trace),
                ("DEBUG", Self::Debug),
                ("INFO", Self::Info),
                ("WARNING", Self::Warning),
                ("WARN", Self::Warning),
                ("ERROR", Self::Error),
                ("CRITICAL", Self::Critical),
                ("OFF", Self::Critical),
            ],
        )
    }
}

/// Formats the `levelname` of a record.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl LogLevels ===

impl LogLevels {
    /// Creates the same threshold for all targets.
    #[must_use]
    pub const fn all(level: Level) -> Self {
        Self {
            default: level,
            targets: Vec::new(),
        }
    }

    fn new(default: Level, mut targets: Vec<(String, Level)>) -> Self {
        targets.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Self { default, targets }
    }

    /// Returns these levels with those of `text` in their place, target by target.
    pub(crate) fn overridden(&self, text: &str) -> Result<Self, ParseError> {
        let (default, mut targets) = parse_items(text)?;
        for (target, level) in &self.targets {
            if targets.iter().all(|(known, _)| known != target) {
                targets.push((target.clone(), *level));
            }
        }
        Ok(Self::new(default.unwrap_or(self.default), targets))
    }

    /// Returns the lowest level that is written for a target.
    #[must_use]
    pub fn threshold(&self, target: &str) -> Level {
        self.targets
            .iter()
            .find(|(prefix, _)| covers(prefix, target))
            .map_or(self.default, |(_, level)| *level)
    }

    /// Returns the threshold of targets that have none of their own.
    #[must_use]
    pub const fn default_level(&self) -> Level {
        self.default
    }

    /// Returns the lowest of all thresholds: no record below it is written for any target.
    #[must_use]
    pub fn lowest(&self) -> Level {
        self.targets()
            .map(|(_, level)| level)
            .fold(self.default, Level::min)
    }

    /// Returns the targets with a threshold of their own, longest first.
    pub fn targets(&self) -> impl Iterator<Item = (&str, Level)> {
        self.targets
            .iter()
            .map(|(target, level)| (target.as_str(), *level))
    }
}

/// The default of `LOG_LEVEL`: `INFO` for everything.
impl Default for LogLevels {
    fn default() -> Self {
        Self::all(Level::Info)
    }
}

/// Formats the levels as in `LOG_LEVEL`.
impl fmt::Display for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.default.setting_word())?;
        self.targets()
            .try_for_each(|(target, level)| write!(f, ",{target}={}", level.setting_word()))
    }
}

impl FromSetting for LogLevels {
    const EXPECTED: &'static str =
        "TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL or OFF, also per target";
    const EXAMPLE: &'static str = "INFO,sqlx=WARNING";

    fn parse(text: &str) -> Result<Self, ParseError> {
        let (default, targets) = parse_items(text)?;
        Ok(Self::new(default.unwrap_or(Level::Info), targets))
    }

    fn show(&self, _text: &str) -> String {
        self.to_string()
    }
}

/// The level without a target, and the levels with targets.
type Items = (Option<Level>, Vec<(String, Level)>);

fn parse_items(text: &str) -> Result<Items, ParseError> {
    let mut default = None;
    let mut targets: Vec<(String, Level)> = Vec::new();
    let items = text.split(',').map(str::trim);
    for item in items.filter(|item| !item.is_empty()) {
        match item.split_once('=') {
            None if default.is_some() => {
                return Err(ParseError::because(
                    "only one level can be without a target",
                ));
            }
            None => default = Some(level_of(item, item)?),
            Some((target, level)) => {
                let target = target.trim_end();
                if !is_target(target) {
                    return Err(not_understood(item));
                }
                if targets.iter().any(|(known, _)| known == target) {
                    return Err(ParseError::because(format!("{target:?} is there twice")));
                }
                targets.push((target.to_owned(), level_of(level.trim_start(), item)?));
            }
        }
    }
    if default.is_none() && targets.is_empty() {
        return Err(ParseError::new());
    }
    Ok((default, targets))
}

fn covers(prefix: &str, target: &str) -> bool {
    target
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn is_target(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn level_of(text: &str, item: &str) -> Result<Level, ParseError> {
    Level::parse(text).map_err(|_| not_understood(item))
}

fn not_understood(item: &str) -> ParseError {
    ParseError::because(format!("{item:?} is not understood"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_name_of_a_level_is_accepted_in_any_case() {
        #[track_caller]
        fn check(text: &str, expect: Level, shown: &str) {
            let levels = LogLevels::parse(text).unwrap();
            assert_eq!(levels, LogLevels::all(expect), "{text:?}");
            assert_eq!(levels.show(text), shown);
        }
        check("DEBUG", Level::Debug, "DEBUG");
        check("info", Level::Info, "INFO");
        check("Warning", Level::Warning, "WARNING");
        check("warn", Level::Warning, "WARNING");
        check("ERROR", Level::Error, "ERROR");
        check("critical", Level::Critical, "CRITICAL");
        check("trace", Level::Trace, "TRACE");
        check("off", Level::Critical, "CRITICAL");
        check("INFO,", Level::Info, "INFO");
    }

    #[test]
    fn longest_target_at_a_path_boundary_decides() {
        let levels =
            LogLevels::parse("app=DEBUG, WARN ,sqlx=ERROR,app::db=CRITICAL,app::db::pool = TRACE")
                .unwrap();
        #[track_caller]
        fn check(levels: &LogLevels, target: &str, expect: Level) {
            assert_eq!(levels.threshold(target), expect, "{target:?}");
        }
        check(&levels, "app", Level::Debug);
        check(&levels, "app::http", Level::Debug);
        check(&levels, "app::db", Level::Critical);
        check(&levels, "app::db::query", Level::Critical);
        check(&levels, "app::db::pool::idle", Level::Trace);
        check(&levels, "app::dbx", Level::Debug);
        check(&levels, "apple", Level::Warning);
        check(&levels, "app:", Level::Warning);
        check(&levels, "sqlx::query", Level::Error);
        check(&levels, "sqlx_core", Level::Warning);
        check(&levels, "", Level::Warning);
        assert_eq!(levels.default_level(), Level::Warning);
        assert_eq!(levels.lowest(), Level::Trace);
        assert_eq!(
            levels.to_string(),
            "WARNING,app::db::pool=TRACE,app::db=CRITICAL,sqlx=ERROR,app=DEBUG"
        );
    }

    #[test]
    fn default_is_info_when_only_targets_are_given() {
        let levels = LogLevels::parse("sqlx=WARNING").unwrap();
        assert_eq!(levels.default_level(), Level::Info);
        assert_eq!(levels.lowest(), Level::Info);
        assert_eq!(levels.to_string(), "INFO,sqlx=WARNING");
        assert_eq!(LogLevels::default(), LogLevels::all(Level::Info));
    }

    /// ADM-11
    #[test]
    fn override_replaces_levels_target_by_target() {
        let base = LogLevels::parse("INFO,sqlx=WARNING,app=ERROR").unwrap();
        let with = |text| base.overridden(text).map(|levels| levels.to_string());
        assert_eq!(with("sqlx=DEBUG").unwrap(), "INFO,sqlx=DEBUG,app=ERROR");
        assert_eq!(with("TRACE").unwrap(), "TRACE,sqlx=WARNING,app=ERROR");
        assert_eq!(
            with("new=DEBUG").unwrap(),
            "INFO,sqlx=WARNING,app=ERROR,new=DEBUG"
        );
        assert!(with("LOUD").is_err() && with("").is_err());
    }

    #[test]
    fn rejection_names_the_item() {
        #[track_caller]
        fn check(text: &str, expect: Option<&str>) {
            let reason = LogLevels::parse(text).unwrap_err().into_reason(false);
            assert_eq!(reason.as_deref(), expect, "{text:?}");
        }
        check("LOUD", Some(r#""LOUD" is not understood"#));
        check("INFO,sqlx=LOUD", Some(r#""sqlx=LOUD" is not understood"#));
        check("INFO,=DEBUG", Some(r#""=DEBUG" is not understood"#));
        check("INFO,a b=DEBUG", Some(r#""a b=DEBUG" is not understood"#));
        check("a=b=DEBUG", Some(r#""a=b=DEBUG" is not understood"#));
        check("INFO,DEBUG", Some("only one level can be without a target"));
        check("a=INFO,a=DEBUG", Some(r#""a" is there twice"#));
        check(",", None);
    }

    #[test]
    fn levels_are_ordered_and_trace_is_written_as_debug() {
        use Level::{Critical, Debug, Error, Info, Trace, Warning};
        assert!([Trace, Debug, Info, Warning, Error, Critical].is_sorted_by(|a, b| a < b));
        assert_eq!(Trace.as_str(), "DEBUG");
        assert_eq!(format!("[{Warning:>9}]"), "[  WARNING]");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in any::<String>()) {
            let _ = LogLevels::parse(&text);
        }

        #[test]
        fn canonical_text_is_read_back(text in "(INFO|debug|trace)(,[a-c:]{1,4}=(WARN|ERROR)){0,4}") {
            if let Ok(levels) = LogLevels::parse(&text) {
                prop_assert_eq!(LogLevels::parse(&levels.to_string()), Ok(levels));
            }
        }
    }
}
