//! The progress of a run: one line on standard error, which is rewritten.
//!
//! It is written on a terminal only, and removed before the report.

use std::io::{self, IsTerminal as _, Write as _};

/// The most characters of the line, so that it fits into one row of a usual terminal.
const WIDTH: usize = 78;

/// Moves to the begin of the row and clears it.
const CLEAR: &str = "\r\x1b[K";

/// The line, which is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    is_shown: bool,
    /// The number of checks of the run.
    total: usize,
}

impl Progress {
    /// Shows the progress if standard error is a terminal.
    pub(super) fn new(total: usize) -> Self {
        Self {
            is_shown: io::stderr().is_terminal(),
            total,
        }
    }

    /// Shows how many checks are judged, and what is made now.
    pub(super) fn show(&self, judged: usize, scenario: &str, id: &str) {
        if self.is_shown {
            write(&format!(
                "{CLEAR}{}",
                line(judged, self.total, scenario, id)
            ));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            write(CLEAR);
        }
    }
}

fn line(judged: usize, total: usize, scenario: &str, id: &str) -> String {
    let line = format!("{judged} of {total} checks · {scenario} · {id}");
    line.chars().take(WIDTH).collect()
}

fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    // Without the line, the report is still complete.
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_fits_into_a_row() {
        assert_eq!(
            line(3, 33, "base", "RID-1:echo"),
            "3 of 33 checks · base · RID-1:echo"
        );
        assert_eq!(line(3, 33, &"a".repeat(99), "b").chars().count(), WIDTH);
    }
}
