//! The form of Rust files: header, unfinished work, length, and names of tests.

use crate::{files::File, lexer, test_functions};

/// The most lines of a file before its tests.
const MAX_LINES: usize = 400;

/// The most characters in the name of a test.
const MAX_NAME: usize = 60;

/// Marks of unfinished work.
const MARKS: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Checks that a file begins with `//!`.
pub(crate) fn header(file: &File) -> Option<(usize, String)> {
    let begins = file.text.starts_with("//!");
    (!begins).then(|| (1, "does not begin with //!".to_owned()))
}

/// Returns the marks of unfinished work in comments.
pub(crate) fn unfinished(file: &File) -> Vec<(usize, String)> {
    let comments = lexer::split(&file.text).comments.into_iter();
    comments
        .filter_map(|comment| {
            let mark = MARKS.into_iter().find(|it| comment.text.contains(it))?;
            Some((comment.line, format!("{mark}: finish it, or file an issue")))
        })
        .collect()
}

/// Checks the length of a file of production code.
pub(crate) fn length(file: &File) -> Option<(usize, String)> {
    let path = &file.path;
    let is_production = path.starts_with("crates/") || path.starts_with("xtask/");
    // Files of tests alone have no limit.
    let is_tests = path.ends_with("/tests.rs") || path.ends_with("/properties.rs");
    if !is_production || !path.contains("/src/") || is_tests {
        return None;
    }
    let before = file
        .text
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"));
    let count = before.count();
    (count > MAX_LINES).then(|| {
        let fault = format!("has {count} lines before its tests: use {MAX_LINES} at most");
        (1, fault)
    })
}

/// Returns the tests whose names are too long.
pub(crate) fn test_names(file: &File) -> Vec<(usize, String)> {
    let tests = test_functions::find(&file.text).into_iter();
    tests
        .filter(|test| test.name.len() > MAX_NAME)
        .map(|test| {
            let (name, length) = (&test.name, test.name.len());
            let fault = format!("{name} has {length} characters: use {MAX_NAME} at most");
            (test.line, fault)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn file_without_header_is_found() {
        assert_eq!(header(&file("a.rs", "//! A.\n")), None);
        assert!(header(&file("a.rs", "use a;\n")).is_some());
    }

    #[test]
    fn unfinished_work_is_found_in_comments() {
        let mark = MARKS[0];
        let text = format!("//! A.\n// {mark}: b\nconst C: &str = \"{mark}\";\n");
        let found = unfinished(&file("a.rs", &text));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, 2);
    }

    #[test]
    fn lines_before_tests_are_counted() {
        let lines = "x\n".repeat(400);
        let tests = format!("#[cfg(test)]\n{lines}");
        let long = |path, text: &str| length(&file(path, text)).is_some();
        assert!(!long("crates/a/src/b.rs", &format!("{lines}{tests}")));
        assert!(long("crates/a/src/b.rs", &format!("x\n{lines}")));
        assert!(!long("crates/a/src/b/tests.rs", &format!("x\n{lines}")));
        assert!(!long("crates/a/tests/b.rs", &format!("x\n{lines}")));
    }

    #[test]
    fn long_test_name_is_found() {
        let test = |length| format!("#[test]\nfn {}() {{}}\n", "a".repeat(length));
        assert_eq!(test_names(&file("a.rs", &test(60))), []);
        assert_eq!(test_names(&file("a.rs", &test(61))).len(), 1);
    }
}
