//! Lines of files, so that each finding and each summand names its origin.

use std::{fmt, rc::Rc};

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Path as shown, relative to the current directory where the arguments are.
    pub(crate) file: Rc<str>,
    /// Line number, from 1.
    pub(crate) line: usize,
}

impl Place {
    /// Returns a line of a file.
    pub(crate) fn new(file: &str, line: usize) -> Self {
        Self {
            file: file.into(),
            line,
        }
    }

    /// Returns another line of the same file.
    pub(crate) fn at(&self, line: usize) -> Self {
        Self {
            file: Rc::clone(&self.file),
            line,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A value, and the line that sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sited<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<T> Sited<T> {
    /// Returns a value of a line.
    pub(crate) fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}

/// A file that cannot be read or parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) place: Place,
    pub(crate) what: String,
}

impl Broken {
    /// Returns the error of a line.
    pub(crate) fn new(place: Place, what: impl Into<String>) -> Self {
        Self {
            place,
            what: what.into(),
        }
    }
}
