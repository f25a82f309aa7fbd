//! Levels of records, under the names of several logging libraries.

use serde::Serialize;

/// The level of a record, with the names of the chassis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[repr(u8)]
pub(crate) enum Level {
    Trace = 1,
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

impl Level {
    const ALL: [Self; 6] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warning,
        Self::Error,
        Self::Critical,
    ];

    /// Returns the level of a name in any case, such as `WARN` of zap or `NOTICE` of syslog.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        const NAMES: [(&str, Level); 16] = [
            ("info", Level::Info),
            ("error", Level::Error),
            ("warning", Level::Warning),
            ("warn", Level::Warning),
            ("debug", Level::Debug),
            ("critical", Level::Critical),
            ("trace", Level::Trace),
            ("fatal", Level::Critical),
            ("information", Level::Info),
            ("notice", Level::Info),
            ("err", Level::Error),
            ("severe", Level::Error),
            ("panic", Level::Critical),
            ("dpanic", Level::Critical),
            ("alert", Level::Critical),
            ("emergency", Level::Critical),
        ];
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, level)| *level)
    }

    /// Returns the level of a number: those of zap are -1 to 5, those of pino and bunyan 10 to 60.
    pub(crate) fn of_number(number: i64) -> Option<Self> {
        match number {
            -1 => Some(Self::Debug),
            0 => Some(Self::Info),
            1 => Some(Self::Warning),
            2 => Some(Self::Error),
            3..=5 => Some(Self::Critical),
            10..=60 if number % 10 == 0 => Self::of_index(usize::try_from(number / 10 - 1).ok()?),
            _ => None,
        }
    }

    /// Returns the level of its number in an index, where 0 is none.
    pub(crate) fn of_index_number(number: u8) -> Option<Self> {
        Self::of_index(usize::from(number).checked_sub(1)?)
    }

    fn of_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_libraries_are_read() {
        assert_eq!(Level::of_name("WARNING"), Some(Level::Warning));
        assert_eq!(Level::of_name("warn"), Some(Level::Warning));
        assert_eq!(Level::of_name("Fatal"), Some(Level::Critical));
        assert_eq!(Level::of_name(""), None);
        assert_eq!(Level::of_name("verbose"), None);
        assert_eq!(Level::of_number(10), Some(Level::Trace));
        assert_eq!(Level::of_number(60), Some(Level::Critical));
        assert_eq!(Level::of_number(2), Some(Level::Error));
        assert_eq!(Level::of_number(35), None);
    }

    #[test]
    fn index_numbers_are_inverse() {
        for level in Level::ALL {
            assert_eq!(Level::of_index_number(level as u8), Some(level));
        }
        assert_eq!(Level::of_index_number(0), None);
        assert_eq!(Level::of_index_number(7), None);
    }
}
