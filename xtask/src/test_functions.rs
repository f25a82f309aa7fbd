//! Finds the test functions of a source file, with their doc comments.

use crate::lexer::{self, CommentKind};

/// A function under an attribute such as `#[test]` or `#[tokio::test]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TestFunction {
    pub(crate) name: String,
    /// The line of its `fn`, from 1.
    pub(crate) line: usize,
    /// Its doc comment, by lines, each with its number.
    pub(crate) doc: Vec<(usize, String)>,
}

/// Returns the test functions of a file, those inside macros such as `proptest!` included.
pub(crate) fn find(source: &str) -> Vec<TestFunction> {
    let source = lexer::split(source);
    let mut docs = source
        .comments
        .iter()
        .filter(|comment| comment.kind == CommentKind::Outer)
        .peekable();
    let mut tests = Vec::new();
    let mut doc: Vec<(usize, String)> = Vec::new();
    let mut is_test = false;
    let mut open_brackets = 0;
    for (number, line) in (1..).zip(source.code.lines()) {
        if let Some(comment) = docs.next_if(|comment| comment.line == number) {
            doc.push((number, comment.text.trim().to_owned()));
        }
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if open_brackets > 0 || line.starts_with("#[") {
            is_test |= open_brackets == 0 && is_test_attribute(line);
            open_brackets += line.matches('[').count();
            open_brackets -= line.matches(']').count().min(open_brackets);
            continue;
        }
        if is_test && let Some(name) = function_name(line) {
            tests.push(TestFunction {
                name: name.to_owned(),
                line: number,
                doc: std::mem::take(&mut doc),
            });
        }
        doc.clear();
        is_test = false;
    }
    tests
}

/// Whether the last segment of the attribute's path is `test`.
fn is_test_attribute(line: &str) -> bool {
    let path = line.trim_start_matches("#[");
    let path = path.split(['(', ']', ' ']).next().unwrap_or_default();
    path.rsplit("::").next() == Some("test")
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = line.strip_prefix("fn ")?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_functions_under_a_test_attribute_are_tests() {
        let source = "
            fn helper() {}
            /// SRV-1: first.
            ///
            /// More.
            #[test]
            #[expect(
                lint,
                reason = \"x\"
            )]
            fn plain() {}
            /// Helper.
            fn between() {}
            #[tokio::test(start_paused = true)]
            async fn paused() {}
            fn after() {}
            proptest! {
                #[test]
                fn property(x in 0..1) {}
            }
            #[cfg(test)]
            fn not_a_test() {}
            const SAMPLE: &str = \"
            #[test]
            fn in_a_string() {}
            \";
        ";
        let found = find(source);
        let names: Vec<_> = found.iter().map(|test| test.name.as_str()).collect();
        assert_eq!(names, ["plain", "paused", "property"]);
        assert_eq!(found[0].line, 11);
        let doc: Vec<_> = found[0].doc.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(doc, ["SRV-1: first.", "", "More."]);
        assert_eq!(found[1].doc, []);
    }
}
