//! Waivers in `plimsoll.toml`: accepted findings, each with a reason and an end.
//!
//! A waiver that has expired has no effect, and one that matches nothing is reported.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;

use crate::place::Place;

/// The file that is read unless an argument names another one.
pub(crate) const DEFAULT_FILE: &str = "plimsoll.toml";

/// The days until which a waiver can be valid.
const MAX_DAYS: i64 = 366;

/// A day, as the days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(i64);

/// An accepted finding.
#[derive(Debug, Clone)]
pub(crate) struct Waiver {
    /// A rule or a check, such as `GRACE` or `MET-5:falls`.
    pub(crate) check: String,
    /// One instance; all if `None`.
    pub(crate) subject: Option<String>,
    pub(crate) reason: String,
    pub(crate) until: Day,
    pub(crate) place: Place,
}

/// The waivers cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WaiverError {
    /// The file cannot be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML of the expected form.
    #[error("{place}: {what}")]
    Form {
        /// The line.
        place: Place,
        /// What is wrong, and what would be right.
        what: String,
    },
}

/// The part of the file that is read here.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    waiver: Vec<toml::Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    check: String,
    subject: Option<String>,
    reason: String,
    until: toml::value::Datetime,
}

impl Waiver {
    /// Reads the waivers that are valid today. Without an argument, a missing file has none.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not of the expected form.
    pub(crate) fn read(argument: Option<&Path>) -> Result<Vec<Self>, WaiverError> {
        let path = argument.unwrap_or(Path::new(DEFAULT_FILE));
        match fs::read_to_string(path) {
            Ok(text) => parse(&text, &path.display().to_string(), Day::today()),
            Err(error) if argument.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Ok(Vec::new())
            }
            Err(source) => Err(WaiverError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Whether this waiver accepts a finding.
    pub(crate) fn accepts(&self, check: &str, subject: &str) -> bool {
        self.check == check && self.subject.as_deref().is_none_or(|it| it == subject)
    }
}

fn parse(text: &str, file: &str, today: Day) -> Result<Vec<Waiver>, WaiverError> {
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let form = |at: usize, what: String| WaiverError::Form {
        place: Place::new(file, line(at)),
        what,
    };
    let document: Document = toml::from_str(text).map_err(|error| {
        form(
            error.span().map_or(0, |span| span.start),
            error.message().to_owned(),
        )
    })?;
    let mut waivers = Vec::new();
    for entry in document.waiver {
        let at = entry.span().start;
        let Entry {
            check,
            subject,
            reason,
            until,
        } = entry.into_inner();
        let day = until.date.map(Day::of);
        let day = day.ok_or_else(|| form(at, format!("until = {until}: expected a date")))?;
        if day.0 - today.0 > MAX_DAYS {
            return Err(form(
                at,
                format!("until = {day}: expected at most a year from today"),
            ));
        }
        if reason.trim().is_empty() {
            return Err(form(
                at,
                "reason is empty: expected why the finding is accepted".to_owned(),
            ));
        }
        if day >= today {
            let place = Place::new(file, line(at));
            waivers.push(Waiver {
                check,
                subject,
                reason,
                until: day,
                place,
            });
        }
    }
    Ok(waivers)
}

impl Day {
    fn today() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(i64::try_from(since.as_secs() / 86_400).unwrap_or(i64::MAX))
    }

    /// Returns the day of a date of the Gregorian calendar.
    fn of(date: toml::value::Date) -> Self {
        let (year, month) = (i64::from(date.year), i64::from(date.month));
        // Years begin in March, so that the leap day is the last one.
        let years = if month > 2 { year } else { year - 1 };
        let months = (month + 9) % 12;
        let days = 365 * years + years / 4 - years / 100 + years / 400;
        Self(days + (153 * months + 2) / 5 + i64::from(date.day) - 1 - 719_468)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The inverse of `of`, with the eras of 400 years.
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let day = days.rem_euclid(146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let months = (5 * day + 2) / 153;
        let month = if months < 10 { months + 3 } else { months - 9 };
        let year = year + era * 400 + i64::from(month <= 2);
        write!(
            f,
            "{year:04}-{month:02}-{:02}",
            day - (153 * months + 2) / 5 + 1
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-29.
    const TODAY: Day = Day(20_786);

    fn waiver(until: &str) -> String {
        format!(
            "[verify]\ncommand = [\"x\"]\n\n[[waiver]]\ncheck = \"GRACE\"\nreason = \"OPS-1\"\nuntil = {until}\n"
        )
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (text, day) in [
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("2026-11-29", TODAY.0),
            ("2100-03-01", 47_541),
        ] {
            let date: toml::value::Datetime = text.parse().unwrap();
            assert_eq!(Day::of(date.date.unwrap()).0, day, "{text}");
            assert_eq!(Day(day).to_string(), text);
        }
    }

    #[test]
    fn waiver_accepts_its_check_and_subject_until_its_day() {
        let waivers = parse(&waiver("2026-11-29"), "a.toml", TODAY).unwrap();
        assert_eq!(waivers[0].place.to_string(), "a.toml:4");
        assert!(waivers[0].accepts("GRACE", "app"));
        assert!(!waivers[0].accepts("IDLE", "app"));
        let one = Waiver {
            subject: Some("app".to_owned()),
            ..waivers[0].clone()
        };
        assert!(one.accepts("GRACE", "app"));
        assert!(!one.accepts("GRACE", "other"));
        assert!(
            parse(&waiver("2026-11-28"), "a.toml", TODAY)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn wrong_file_is_an_error_with_its_line() {
        #[track_caller]
        fn check(text: &str, line: usize, what: &str) {
            let error = parse(text, "a.toml", TODAY).unwrap_err().to_string();
            assert!(error.starts_with(&format!("a.toml:{line}: ")), "{error}");
            assert!(error.contains(what), "{error}");
        }
        check(&waiver("2028-01-01"), 4, "at most a year");
        check(&waiver("12:00:00"), 4, "a date");
        check(
            &waiver("2027-01-01").replace("OPS-1", ""),
            4,
            "reason is empty",
        );
        check(
            "[[waiver]]\ncheck = \"GRACE\"\nuntil = 2027-01-01\n",
            1,
            "reason",
        );
        check("a = \n", 1, "");
    }
}
