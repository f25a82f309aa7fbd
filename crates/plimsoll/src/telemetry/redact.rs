//! Masks the values of secret parameters in a query (contract LOG-3).
//!
//! A parameter is secret if its name is built in or listed in `REDACT_QUERY`. Case, percent encoding and
//! the choice of `-` or `_` are ignored. Each part in brackets counts as a name, as in `token[]` and
//! `user[password]`.
//!
//! `;` separates parameters for some applications and is part of a value for others. It ends the value
//! of a parameter that is not secret, but not that of a secret one.

use std::borrow::Cow;

use crate::mask::{MASK, is_built_in, is_same};

/// The names of secret parameters.
#[derive(Debug)]
pub(crate) struct Redaction {
    /// The names of `REDACT_QUERY`.
    more: Vec<String>,
}

impl Redaction {
    pub(crate) fn new(more: &[String]) -> Self {
        Self {
            more: more.to_vec(),
        }
    }

    /// Returns the query with the values of secret parameters masked.
    pub(crate) fn apply<'query>(&self, query: &'query str) -> Cow<'query, str> {
        let mut out = String::new();
        // The end of the copied part, and the end of the scanned part.
        let (mut copied, mut at) = (0, 0);
        while let Some(rest) = query.get(at..).filter(|rest| !rest.is_empty()) {
            let end = rest.find(['&', ';']).unwrap_or(rest.len());
            let value = match rest[..end].split_once('=') {
                Some((name, _)) if self.is_secret(name) => at + name.len() + 1,
                _ => {
                    at += end + 1;
                    continue;
                }
            };
            out.push_str(&query[copied..value]);
            out.push_str(MASK);
            copied = query[value..]
                .find('&')
                .map_or(query.len(), |it| value + it);
            at = copied + 1;
        }
        if copied == 0 {
            return Cow::Borrowed(query);
        }
        out.push_str(&query[copied..]);
        Cow::Owned(out)
    }

    fn is_secret(&self, name: &str) -> bool {
        let name = decode(name);
        let is_part = |byte: &u8| matches!(byte, b'[' | b']');
        name.split(is_part)
            .any(|part| is_built_in(part) || self.more.iter().any(|secret| is_same(part, secret)))
    }
}

/// Decodes the percent encoding of a name.
fn decode(name: &str) -> Cow<'_, [u8]> {
    if !name.contains('%') {
        return Cow::Borrowed(name.as_bytes());
    }
    let bytes = name.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = name.get(index + 1..index + 3);
        match (bytes[index], hex.map(|hex| u8::from_str_radix(hex, 16))) {
            (b'%', Some(Ok(byte))) => {
                out.push(byte);
                index += 3;
            }
            (byte, _) => {
                out.push(byte);
                index += 1;
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        let redaction = Redaction::new(&["code".to_owned(), "Session-Key".to_owned()]);
        assert_eq!(redaction.apply(query), expected, "{query}");
    }

    #[test]
    fn values_of_secret_parameters_are_masked() {
        check("", "");
        check("a=1&b=2", "a=1&b=2");
        check("token=abc", "token=***");
        check("a=1&Api_Key=x&b=2", "a=1&Api_Key=***&b=2");
        check("%74oken=abc&pass%77ord=x=y", "%74oken=***&pass%77ord=***");
        check("token&tokens=1&mytoken=2", "token&tokens=1&mytoken=2");
        check(
            "password=&access_token==&signature=%",
            "password=***&access_token=***&signature=***",
        );
        check("sig=a&X-Amz-Signature=b", "sig=***&X-Amz-Signature=***");
    }

    /// LOG-3
    #[test]
    fn semicolon_does_not_end_a_secret() {
        check("a=1;token=x", "a=1;token=***");
        check("token=x;y&a=1", "token=***&a=1");
        check("token=x;a=1", "token=***");
        check("a=x;y;z&b=1;;", "a=x;y;z&b=1;;");
    }

    /// LOG-3
    #[test]
    fn names_in_brackets_are_matched() {
        check("token[]=x&a[]=1", "token[]=***&a[]=1");
        check("user[password]=x", "user[password]=***");
        check("token%5B0%5D=x", "token%5B0%5D=***");
        check("user[name]=x", "user[name]=x");
    }

    /// LOG-3
    #[test]
    fn names_of_redact_query_are_masked() {
        check("code=x&session_key=y", "code=***&session_key=***");
        assert_eq!(Redaction::new(&[]).apply("code=x"), "code=x");
    }

    proptest! {
        #[test]
        fn secrets_in_any_query_are_masked(query in "[%&;=a-f0-9tokén\\[\\]]*") {
            let secret = format!("{query}&secret=CANARY&{query}");
            prop_assert!(!Redaction::new(&[]).apply(&secret).contains("CANARY"));
        }
    }
}
