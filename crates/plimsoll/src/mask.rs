//! Masks secrets in error texts of libraries and in settings: passwords in URLs, and values of secret
//! parameters.
//!
//! If the end of a secret is ambiguous, the longer interpretation is masked.

mod names;

pub(crate) use self::names::{MASK, is_built_in, is_same};

/// Further names, which are common in connection strings and not in queries.
const MORE_NAMES: [&str; 3] = ["pwd", "access_key", "secret_key"];

/// Suffixes of secret names, as in `PGPASSWORD` and `db_password`.
const SUFFIXES: [&str; 4] = ["password", "passwd", "secret", "token"];

/// Replaces passwords in URLs and values of secret parameters, such as `password=`, by `***`.
///
/// An error of a database driver often contains the whole connection URL.
pub(crate) fn mask(text: &str) -> String {
    mask_parameters(&mask_urls(text, char::is_whitespace))
}

/// Masks the value of a setting as [`mask`] does. White space in a password does not end its URL.
pub(crate) fn mask_setting(text: &str) -> String {
    mask_parameters(&mask_urls(text, |_| false))
}

/// Masks the password in `scheme://user:password@host`. A character that `is_end` ends the URL.
fn mask_urls(text: &str, is_end: fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + "://".len());
        out.push_str(before);
        let end = after.find(is_end).unwrap_or(after.len());
        let url = &after[..end];
        // An invalid password may contain `/?#'"`, so the last `@` of the URL ends it.
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

/// Masks the value in `name=value`, in the forms that [`secret_length`] supports.
fn mask_parameters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(separator) = rest.find(['=', ':']) {
        let (before, after) = rest.split_at(separator + 1);
        out.push_str(before);
        rest = after;
        let name = before[..separator].trim_end_matches([' ', '"', '\'']);
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let name = name.rsplit(|c| !is_name(c)).next().unwrap_or("");
        if is_secret(name)
            && let Some((kept, length)) = secret_length(&before[separator..], after)
        {
            out.push_str(&after[..kept]);
            out.push_str(MASK);
            rest = &after[kept + length..];
        }
    }
    out.push_str(rest);
    out
}

fn is_secret(name: &str) -> bool {
    let name = name.as_bytes();
    let has_suffix = |suffix: &&str| {
        let start = name.len().checked_sub(suffix.len());
        start.is_some_and(|start| is_same(&name[start..], suffix))
    };
    is_built_in(name)
        || MORE_NAMES.iter().any(|secret| is_same(name, secret))
        || SUFFIXES.iter().any(has_suffix)
}

/// Returns the length of the text between separator and secret, and the length of the secret.
///
/// After `:` only a quoted text is a secret, as in JSON and `Debug` output, since prose contains colons.
fn secret_length(separator: &str, text: &str) -> Option<(usize, usize)> {
    let value = text.trim_start_matches(' ');
    let value = value.strip_prefix("Some(").unwrap_or(value);
    let kept = text.len() - value.len();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    if separator == ":" && quote.is_none() {
        return None;
    }
    let mut characters = value.char_indices().skip(usize::from(quote.is_some()));
    while let Some((index, character)) = characters.next() {
        let is_end = match quote {
            Some(quote) => character == quote,
            None => character.is_whitespace() || character == '&',
        };
        if character == '\\' {
            // An escaped character is part of the secret.
            characters.next();
        } else if is_end {
            let is_doubled = quote.is_some() && value[index + 1..].starts_with(character);
            match quote {
                Some(_) if is_doubled => drop(characters.next()),
                Some(_) => return Some((kept, index + 1)),
                None => return Some((kept, index)),
            }
        }
    }
    Some((kept, value.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(mask(text), expected);
    }

    /// LIFE-11
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
        check(
            "PGPASSWORD=hunter2 DB-Password=x",
            "PGPASSWORD=*** DB-Password=***",
        );
        check("sig=x&Passwd=y&keys=z", "sig=***&Passwd=***&keys=z");
        check("wrong password: try again", "wrong password: try again");
        check("password= host=db", "password= ***");
    }

    /// LIFE-11
    #[test]
    fn whole_secret_is_masked() {
        check("a://u:pa'ss@db, x", "a://u:***@db, x");
        check("<a://u:pa<ss@db> x", "<a://u:***@db> x");
        check("password=pa'ss;w,o)rd host=db", "password=*** host=db");
        check(r"password=pa\ ss host=db", "password=*** host=db");
        check(r"password='pa\'ss' host=db", "password=*** host=db");
        check("password='pa''ss' host=db", "password=*** host=db");
        check("password='pass", "password=***");
        check("password = pass host=db", "password = *** host=db");
        check(r#"{"password":"pass","a":1}"#, r#"{"password":***,"a":1}"#);
        check(
            r#"Config { password: Some("pass"), a: 1 }"#,
            r"Config { password: Some(***), a: 1 }",
        );
        check("?a=1&Api_Key=x&b=2", "?a=1&Api_Key=***&b=2");
    }

    /// ADM-16
    #[test]
    fn password_of_a_setting_may_have_white_space() {
        let url = "postgres://app:hunter 2@db/shop";
        assert_eq!(mask_setting(url), "postgres://app:***@db/shop");
        assert_eq!(mask_setting("a@b c: d"), "a@b c: d");
        assert_eq!(mask_setting("http://[::1]:80/a"), "http://[::1]:80/a");
    }

    proptest! {
        /// LIFE-11
        #[test]
        fn secrets_in_any_text_are_masked(text in r#"[ =&:/@?a-cé'"\\]*"#, rest in "[=&:/?a-cé'\"]*") {
            let password = format!("{text} db://u:CANARY{rest}CANARY@h password=CANARY {text}");
            prop_assert!(!mask(&password).contains("CANARY"));
        }
    }
}
