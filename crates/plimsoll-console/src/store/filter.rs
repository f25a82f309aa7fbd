//! The filter language of the views.
//!
//! Terms are separated by spaces, and all must match. A leading `-` negates a term, and quotes keep spaces.
//!
//! |Term|Matches|
//! |---|---|
//! |`service:orders` `run:2`|this service, this run|
//! |`status:500` `status:5xx` `status>=400`|the status of an access record|
//! |`ms>50`|the latency of an access record|
//! |`method:GET`|the method|
//! |`route:/orders/{id}` `path:/orders/*`|the pattern of the route, the path; `*` at the end matches any rest|
//! |`id:fea1` `trace:4bf9`|the beginning of the request id, of the trace id|
//! |`level:warning`|this level and above|
//! |`target:sqlx`|the beginning of the logger's name|
//! |`text:timeout` `timeout`|a text; if it has no upper case letter, case is ignored|
//!
//! A record without the value does not match a term, so it matches the negated term.

mod matcher;
mod parse;

use memchr::memmem::Finder;

pub(crate) use self::{
    matcher::{Line, Matcher},
    parse::InvalidFilter,
};
use super::index::Entry;
use crate::ingest::fields::Level;

/// A filter: terms that must all match.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    terms: Vec<Term>,
}

#[derive(Debug, Clone)]
struct Term {
    is_negated: bool,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Service(String),
    Run(u32),
    Status(Comparison, u16),
    /// The first digit of the status.
    StatusClass(u16),
    Ms(Comparison, f64),
    Level(Level),
    Line(Box<LineTest>),
}

/// A test that reads the line.
#[derive(Debug, Clone)]
struct LineTest {
    member: LineMember,
    needle: Needle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineMember {
    Method,
    Route,
    Path,
    Id,
    Trace,
    Target,
    Text,
}

/// A text that is searched for.
#[derive(Debug, Clone)]
struct Needle {
    text: String,
    /// Finds the text in lines as they were received, to read fewer of them.
    finder: Finder<'static>,
    /// The value may have more after the text.
    is_prefix: bool,
    /// The text has no upper case letter.
    ignores_case: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

impl Filter {
    /// Reads a filter. An empty text matches everything.
    ///
    /// # Errors
    ///
    /// Names the first term that cannot be read, and the allowed keys.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidFilter> {
        parse::filter(text)
    }

    /// Returns true if records of the service can match.
    pub(super) fn admits_service(&self, name: &str) -> bool {
        self.terms.iter().all(|term| match &term.test {
            Test::Service(service) => (service == name) != term.is_negated,
            _ => true,
        })
    }

    /// Returns true if a record can match, from its entry in the index.
    ///
    /// The beginning of a run matches if service and run do, so it separates the rows of any filter.
    pub(super) fn admits(&self, entry: &Entry) -> bool {
        self.terms.iter().all(|term| {
            let is_match = match &term.test {
                Test::Service(_) | Test::Line(_) => return true,
                Test::Run(run) => entry.run == *run,
                _ if entry.is_marker() => return true,
                Test::Status(comparison, status) => entry
                    .status()
                    .is_some_and(|found| comparison.holds(found, *status)),
                Test::StatusClass(class) => {
                    entry.status().is_some_and(|found| found / 100 == *class)
                }
                Test::Ms(comparison, ms) => {
                    entry.ms().is_some_and(|found| comparison.holds(found, *ms))
                }
                Test::Level(level) => entry.level().is_some_and(|found| found >= *level),
            };
            is_match != term.is_negated
        })
    }

    /// Returns what compares lines, if that is needed.
    pub(super) fn matcher(&self) -> Option<Matcher<'_>> {
        Matcher::new(&self.terms)
    }
}
