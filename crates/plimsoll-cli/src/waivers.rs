//! Waivers in `plimsoll.toml`: accepted findings, each with a reason and an end.
//!
//! A waiver that has expired has no effect, and one that matches nothing is reported.
//! [`project`](crate::project) reads the file.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;

use crate::{
    lint,
    place::{Broken, Place},
    project, verify,
};

/// The days until which a waiver can be valid.
const MAX_DAYS: i64 = 366;

/// A day, as the days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(i64);

/// An accepted finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiver {
    /// A rule or a check, such as `GRACE` or `MET-5:falls`.
    pub(crate) check: String,
    /// One instance; all if `None`.
    pub(crate) subject: Option<String>,
    pub(crate) reason: String,
    pub(crate) until: Day,
    pub(crate) place: Place,
}

/// A waiver in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    check: String,
    subject: Option<String>,
    reason: String,
    until: toml::value::Datetime,
}

impl Entry {
    /// Returns the waiver, unless it has expired.
    ///
    /// # Errors
    ///
    /// If the check is unknown, the end is no date or too far away, or the reason is missing.
    pub(crate) fn waiver(self, place: Place, today: Day) -> Result<Option<Waiver>, Broken> {
        let Self {
            check,
            subject,
            reason,
            until,
        } = self;
        let checks = verify::check_ids();
        let mut known: Vec<&str> = lint::rule_names().collect();
        known.extend(checks.iter().map(String::as_str));
        if !known.contains(&check.as_str()) {
            return Err(project::unknown(place, "check", &check, known));
        }
        let Some(day) = until.date.map(Day::of) else {
            let what = format!("until = {until}: expected a date");
            return Err(Broken::new(place, what));
        };
        if day.0 - today.0 > MAX_DAYS {
            let what = format!("until = {day}: expected at most a year from today");
            return Err(Broken::new(place, what));
        }
        if reason.trim().is_empty() {
            let what = "reason is empty: expected why the finding is accepted";
            return Err(Broken::new(place, what));
        }
        Ok((day >= today).then_some(Waiver {
            check,
            subject,
            reason,
            until: day,
            place,
        }))
    }
}

impl Waiver {
    /// Whether this waiver accepts a finding. A finding without a subject is about no instance.
    pub(crate) fn accepts(&self, check: &str, subject: Option<&str>) -> bool {
        let is_subject = self.subject.is_none() || self.subject.as_deref() == subject;
        self.check == check && is_subject
    }
}

impl Day {
    /// Returns the current day in UTC.
    pub(crate) fn today() -> Self {
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
    use crate::project::Project;

    /// 2026-11-29.
    const TODAY: Day = Day(20_786);

    fn parse(text: &str) -> Result<Vec<Waiver>, Broken> {
        Project::parse(text, "a.toml", TODAY).map(|project| project.waivers)
    }

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
        let waivers = parse(&waiver("2026-11-29")).unwrap();
        assert_eq!(waivers[0].place.to_string(), "a.toml:4");
        assert!(waivers[0].accepts("GRACE", Some("app")));
        assert!(!waivers[0].accepts("IDLE", Some("app")));
        let one = Waiver {
            subject: Some("app".to_owned()),
            ..waivers[0].clone()
        };
        assert!(one.accepts("GRACE", Some("app")));
        assert!(!one.accepts("GRACE", Some("other")));
        assert!(!one.accepts("GRACE", None));
        assert!(parse(&waiver("2026-11-28")).unwrap().is_empty());
    }

    #[test]
    fn wrong_file_is_an_error_with_its_line() {
        #[track_caller]
        fn check(text: &str, line: usize, what: &str) {
            let error = parse(text).unwrap_err();
            assert_eq!(error.place.to_string(), format!("a.toml:{line}"));
            assert!(error.what.contains(what), "{}", error.what);
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
        for (wrong, nearest) in [
            ("GRACEE", "GRACE"),
            ("MET-5:fals", "MET-5:falls"),
            ("PUBLICK", "PUBLIC"),
        ] {
            let what = format!("unknown check \"{wrong}\": the nearest name is \"{nearest}\"");
            check(&waiver("2027-01-01").replace("GRACE", wrong), 4, &what);
        }
        // An expired waiver is read as well.
        check(&waiver("2020-01-01").replace("GRACE", "A"), 4, "unknown");
    }
}
