//! Field names of a JSON object, in the order of the text.

/// Returns the top-level field names of a JSON object in the order of the text, duplicates
/// included.
///
/// A parsed [`serde_json::Value`] keeps neither order nor duplicates.
/// Escape sequences in names are not decoded: no field name of a log record needs them.
///
/// # Examples
///
/// ```
/// let line = r#"{"b": 1, "a": {"inner": 2}, "b": "x\"y"}"#;
/// assert_eq!(harness::field_names(line), ["b", "a", "b"]);
/// ```
#[must_use]
pub fn field_names(object: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut bytes = object.bytes().enumerate();
    // The last string at depth 1. It is a name if a colon follows.
    let mut last = None;
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let end = loop {
                    match bytes.next() {
                        Some((_, b'\\')) => drop(bytes.next()),
                        Some((end, b'"')) => break end,
                        Some(_) => {}
                        None => return names,
                    }
                };
                last = (depth == 1).then(|| &object[at + 1..end]);
            }
            b':' => names.extend(last.take()),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_top_level_object() {
        #[track_caller]
        fn check(object: &str, expected: &[&str]) {
            assert_eq!(field_names(object), expected, "{object}");
        }
        check("{}", &[]);
        check(r#"{"a":1}"#, &["a"]);
        check(r#"{"a":"b","c":"d:e"}"#, &["a", "c"]);
        check(r#"{"a":["x",{"y":1}],"b":{"z":[]}}"#, &["a", "b"]);
        check(r#"{"a":"\\","a":"\",\"b\":1"}"#, &["a", "a"]);
        check(r#"{"a":"unended"#, &["a"]);
        check("no object", &[]);
    }
}
