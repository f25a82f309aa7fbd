//! Secrets in errors of libraries: passwords in URLs, and values of parameters with a secret's name.

/// Names of parameters whose values are secrets, in URLs and in connection strings.
const SECRET_NAMES: [&str; 11] = [
    "access_token",
    "api_key",
    "apikey",
    "client_secret",
    "id_token",
    "password",
    "pwd",
    "refresh_token",
    "secret",
    "signature",
    "token",
];

const MASK: &str = "***";

/// Replaces passwords in URLs and values of secret parameters, such as `password=`, by `***`.
///
/// An error of a driver often has the whole URL that it was given.
pub(crate) fn mask(text: &str) -> String {
    mask_parameters(&mask_urls(text))
}

/// `scheme://user:password@host` without the password.
fn mask_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + "://".len());
        out.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>'))
            .unwrap_or(after.len());
        let url = &after[..end];
        // A password may hold any of `/?#` in error; the last `@` of the word ends it.
        rest = match (url.find(':'), url.rfind('@')) {
            (Some(colon), Some(at)) if colon < at => {
                out.push_str(&url[..=colon]);
                out.push_str(MASK);
                &after[at..]
            }
            _ => after,
        };
    }
    out.push_str(rest);
    out
}

/// `name=value` without the value, up to a space, a quote or a separator.
fn mask_parameters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(equals) = rest.find('=') {
        let (before, after) = rest.split_at(equals + 1);
        out.push_str(before);
        let name_begins = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        let name = before[..equals].rsplit(name_begins).next().unwrap_or("");
        rest = after;
        if SECRET_NAMES.iter().any(|it| it.eq_ignore_ascii_case(name)) {
            out.push_str(MASK);
            rest = &after[value_length(after)..];
        }
    }
    out.push_str(rest);
    out
}

/// The length of a value: up to the other quote if it begins with one, else up to a separator.
fn value_length(text: &str) -> usize {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let end = match quote {
        Some(quote) => text[1..].find(quote).map(|end| end + 2),
        None => text
            .find(|c: char| c.is_whitespace() || matches!(c, '&' | ';' | ',' | '"' | '\'' | ')')),
    };
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(mask(text), expected);
    }

    #[test]
    fn secrets_in_errors_are_masked() {
        check("connection refused", "connection refused");
        check(
            "cannot reach postgres://app:hunter2@db:5432/shop?sslmode=require: refused",
            "cannot reach postgres://app:***@db:5432/shop?sslmode=require: refused",
        );
        check("redis://:p@ss@cache, next", "redis://:***@cache, next");
        check(
            "http://host:80/a and amqp://u:p@mq",
            "http://host:80/a and amqp://u:***@mq",
        );
        check(
            "host=db password=hunter2 user=app",
            "host=db password=*** user=app",
        );
        check("password='hunter2 and 3' host=db", "password=*** host=db");
        check("?a=1&Api_Key=x&b=2", "?a=1&Api_Key=***&b=2");
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_mask(text in "[ =&:/@?a-cé]*") {
            let password = format!("{text} db://u:CANARY@h password=CANARY {text}");
            prop_assert!(!mask(&password).contains("CANARY"));
        }
    }
}
