//! Tests of [`super`]: precedence of names, and the recorded errors.

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::PathBuf};

use super::*;
use crate::config::value::{Secret, within};

/// Reads settings from the given variables, and returns the records.
fn read(pairs: &[(&str, &str)], settings: impl FnOnce(&mut Reader<'_>)) -> ReadOutcome {
    let environment = Environment::from_pairs(pairs.iter().copied());
    let mut reader = Reader::new(&environment);
    settings(&mut reader);
    reader.finish()
}

fn lines(outcome: &ReadOutcome) -> Vec<String> {
    outcome.problems.iter().map(ToString::to_string).collect()
}

fn limit(from: &mut Reader<'_>) -> Result<u32, Invalid> {
    from.setting("LIMIT", "How many.")
        .alias("OLD_LIMIT")
        .alias("OLDEST_LIMIT")
        .default("7")
        .read()
}

#[test]
fn own_name_wins_then_the_aliases_in_order() {
    #[track_caller]
    fn check(pairs: &[(&str, &str)], expect: u32, origin: &str, notes: &[&str]) {
        let outcome = read(pairs, |from| assert_eq!(limit(from), Ok(expect)));
        assert_eq!(lines(&outcome), [""; 0]);
        assert_eq!(outcome.resolved[0].origin.to_string(), origin);
        assert_eq!(outcome.notes.aliases, notes);
    }
    check(&[], 7, "default", &[]);
    check(&[("LIMIT", "")], 7, "default", &[]);
    check(&[("LIMIT", "1")], 1, "environment", &[]);
    // Only secrets have files.
    check(&[("LIMIT_FILE", "/nowhere")], 7, "default", &[]);
    check(
        &[("OLD_LIMIT", "2")],
        2,
        "alias OLD_LIMIT, environment",
        &[],
    );
    check(
        &[("LIMIT", ""), ("OLD_LIMIT", "2")],
        2,
        "alias OLD_LIMIT, environment",
        &[],
    );
    check(
        &[("OLDEST_LIMIT", "3"), ("OLD_LIMIT", "2")],
        2,
        "alias OLD_LIMIT, environment",
        &["OLDEST_LIMIT: OLD_LIMIT is set and wins"],
    );
    // A value that is overridden need not be valid.
    check(
        &[("LIMIT", "1"), ("OLD_LIMIT", "x"), ("OLDEST_LIMIT", "y")],
        1,
        "environment",
        &[
            "OLD_LIMIT: LIMIT is set and wins",
            "OLDEST_LIMIT: LIMIT is set and wins",
        ],
    );
}

#[test]
fn name_in_the_profile_wins_over_alias_in_the_environment() {
    let path = temp_file("reader-profile", "LIMIT=1\n");
    let environment = Environment::from_pairs([("OLD_LIMIT", "2")]).with_env_file(&path);
    let mut reader = Reader::new(&environment);
    assert_eq!(limit(&mut reader), Ok(1));
    fs::remove_file(path).unwrap();
}

#[test]
fn problem_names_the_variable_that_was_set() {
    #[track_caller]
    fn check(pairs: &[(&str, &str)], expect: &str) {
        let outcome = read(pairs, |from| assert_eq!(limit(from), Err(Invalid(()))));
        assert_eq!(lines(&outcome), [expect]);
        assert_eq!(outcome.resolved[0].value, DisplayValue::Unset);
    }
    let expected = r#"expected a whole number from 0 to 4294967295, for example "7""#;
    check(&[("LIMIT", "x")], &format!(r#"LIMIT="x": {expected}"#));
    check(
        &[("OLD_LIMIT", "x")],
        &format!(r#"OLD_LIMIT="x": {expected}"#),
    );
}

#[test]
fn all_errors_are_recorded() {
    let outcome = read(&[("A", "x"), ("C", "9")], |from| {
        let a = from.setting("A", "").read::<bool>();
        let b = from.setting("B", "").example("b").read::<String>();
        let c = from
            .setting("C", "")
            .default("3")
            .read_with("a number from 1 to 5", within(1..=5_u16));
        let d = from.setting("D", "").read_optional::<String>();
        let e = from
            .setting("E", "")
            .read_optional_with("a number from 1 to 5", within(1..=5_u16));
        assert!(a.is_err() && b.is_err() && c.is_err());
        assert_eq!((d, e), (Ok(None), Ok(None)));
    });
    assert_eq!(
        lines(&outcome),
        [
            r#"A="x": expected true, false, 1, 0, yes, no, on or off, for example "true""#,
            r#"B is required: expected text, for example "b""#,
            r#"C="9": expected a number from 1 to 5, for example "3""#,
        ]
    );
}

#[test]
fn invalid_default_is_an_error() {
    let outcome = read(&[], |from| {
        let limit = from.setting("LIMIT", "").default_from("some", "x");
        assert!(limit.read::<u16>().is_err());
    });
    assert_eq!(
        lines(&outcome),
        [r#"LIMIT="x" (its default): expected a whole number from 0 to 65535, for example "10""#]
    );
}

#[test]
fn value_that_is_not_utf8_is_an_error_when_it_is_read() {
    let environment = Environment::from_pairs([("LIMIT", OsString::from_vec(b"\xff1".to_vec()))]);
    let mut reader = Reader::new(&environment);
    assert!(limit(&mut reader).is_err());
    let outcome = reader.finish();
    assert!(lines(&outcome)[0].ends_with("; it is not UTF-8"));
    let mut reader = Reader::new(&environment);
    assert_eq!(reader.setting("OTHER", "").read_optional::<u16>(), Ok(None));
    assert_eq!(reader.finish().problems, []);
}

#[test]
fn name_has_one_meaning() {
    #[track_caller]
    fn check(ask: fn(&mut Reader<'_>) -> bool, expect: &str) {
        let outcome = read(&[], |from| {
            let _ = from
                .setting("PORT", "")
                .alias("OLD_PORT")
                .default("1")
                .read::<u16>();
            from.ignore("GONE", "why");
            let _ = from.setting("KEY", "").read_optional::<Secret>();
            from.begin_service();
            let _ = from.setting("OWN", "").default("1").read::<u16>();
            assert!(ask(from), "the setting is rejected");
        });
        assert_eq!(lines(&outcome), [expect]);
        assert_eq!(outcome.resolved.len(), 3, "the docs show the first only");
    }
    let ask = |from: &mut Reader<'_>| from.setting("PORT", "").read_optional::<u16>().is_err();
    check(
        ask,
        "PORT: expected a name that the chassis does not have already",
    );
    let ask = |from: &mut Reader<'_>| from.setting("OLD_PORT", "").read_optional::<u16>().is_err();
    check(
        ask,
        "OLD_PORT: expected a name that the chassis does not have already",
    );
    let ask = |from: &mut Reader<'_>| from.setting("GONE", "").read_optional::<u16>().is_err();
    check(
        ask,
        "GONE: expected a name that the chassis does not have already",
    );
    let ask = |from: &mut Reader<'_>| from.setting("KEY_FILE", "").read_optional::<u16>().is_err();
    check(
        ask,
        "KEY_FILE: expected a name that the chassis does not have already",
    );
    let ask = |from: &mut Reader<'_>| from.setting("OWN", "").read_optional::<u16>().is_err();
    check(
        ask,
        "OWN: expected a name that this service does not have already",
    );
    let ask = |from: &mut Reader<'_>| {
        let other = from.setting("OTHER", "").alias("OWN");
        other.read_optional::<u16>().is_err()
    };
    check(
        ask,
        "OWN: expected a name that this service does not have already",
    );
    let ask = |from: &mut Reader<'_>| {
        let other = from.setting("OTHER", "").alias("OTHER");
        other.read_optional::<u16>().is_err()
    };
    check(ask, "OTHER: expected an alias that is not the name itself");
    let ask = |from: &mut Reader<'_>| from.setting("a-b", "").read_optional::<u16>().is_err();
    check(
        ask,
        "a-b: expected a name of letters, digits and underscores",
    );
}

#[test]
fn secret_is_read_from_its_file() {
    let path = temp_file("reader-secret", "canary\n");
    let file = path.to_str().unwrap();
    #[track_caller]
    fn check(pairs: &[(&str, &str)], origin: &str) {
        let outcome = read(pairs, |from| {
            let key = from.setting("KEY", "").alias("OLD_KEY").read::<Secret>();
            assert_eq!(key.unwrap().expose(), "canary");
        });
        assert_eq!(outcome.resolved[0].origin.to_string(), origin);
        assert_eq!(outcome.resolved[0].value, DisplayValue::Masked);
    }
    check(&[("KEY", "canary")], "environment");
    check(&[("KEY_FILE", file)], &format!("file {file}"));
    check(
        &[("OLD_KEY_FILE", file)],
        &format!("alias OLD_KEY, file {file}"),
    );
    check(
        &[("KEY_FILE", file), ("OLD_KEY", "x")],
        &format!("file {file}"),
    );
    let outcome = read(&[("KEY_FILE", file), ("OLD_KEY", "x")], |from| {
        let _ = from.setting("KEY", "").alias("OLD_KEY").read::<Secret>();
    });
    assert_eq!(outcome.notes.aliases, ["OLD_KEY: KEY_FILE is set and wins"]);
    fs::remove_file(path).unwrap();
}

#[test]
fn error_of_a_secret_shows_nothing_of_it() {
    #[track_caller]
    fn check(pairs: &[(&str, &str)], expect: &str) {
        let outcome = read(pairs, |from| {
            let key = from
                .setting("KEY", "")
                .secret()
                .read_with("a key", |text| match text {
                    "canary-static" => Err(ParseError::because("it is too short")),
                    _ => Err::<(), _>(ParseError::because(format!("{text} is too short"))),
                });
            assert_eq!(key, Err(Invalid(())));
        });
        assert_eq!(lines(&outcome), [expect]);
        assert!(!format!("{:?}", outcome.problems).contains("canary"));
    }
    check(&[("KEY", "canary")], "KEY: expected a key");
    check(
        &[("KEY", "canary-static")],
        "KEY: expected a key; it is too short",
    );
    check(&[], "KEY is required: expected a key");
    check(
        &[("KEY", "canary"), ("KEY_FILE", "canary")],
        "KEY: expected only one of KEY and KEY_FILE to be set",
    );
    check(
        &[("KEY_FILE", "/canary")],
        "KEY_FILE: expected the path of a file that holds the secret; \
         No such file or directory (os error 2)",
    );
}

#[test]
fn secret_default_is_masked_in_the_docs() {
    let outcome = read(&[], |from| {
        let _ = from.setting("KEY", "").default("canary").read::<Secret>();
    });
    assert!(!format!("{:?}", outcome.resolved).contains("canary"));
}

#[test]
fn setting_is_rejected_after_it_was_read() {
    #[track_caller]
    fn check(pairs: &[(&str, &str)], expect: &str) {
        let outcome = read(pairs, |from| {
            limit(from).unwrap();
            from.reject("LIMIT", ParseError::because("it is more than MOST"));
        });
        assert_eq!(lines(&outcome), [expect]);
    }
    let expected = "expected a whole number from 0 to 4294967295";
    let rest = format!("{expected}, for example \"7\"; it is more than MOST");
    check(&[("LIMIT", "9")], &format!("LIMIT=\"9\": {rest}"));
    check(&[("OLD_LIMIT", "9")], &format!("OLD_LIMIT=\"9\": {rest}"));
    check(&[], &format!("LIMIT=\"7\" (its default): {rest}"));

    let outcome = read(&[("KEY", "canary")], |from| {
        let _ = from.setting("KEY", "").read::<Secret>();
        from.reject("KEY", ParseError::because("canary".to_owned()));
        from.reject("NEVER_READ", ParseError::because("too late"));
    });
    assert_eq!(
        lines(&outcome),
        [
            "KEY: expected a secret text",
            "NEVER_READ: expected another value; too late",
        ]
    );
}

#[test]
fn known_names_are_those_that_were_read() {
    let pairs = [
        ("LIMITS", "1"),
        ("OLD_LIMIT", "1"),
        ("SECRETT_FILE", "1"),
        ("SECRET_FILE_", "1"),
        ("IGNORED_NAME", "1"),
        ("IGNORED_NAM", "1"),
        ("UNRELATED", "1"),
    ];
    let outcome = read(&pairs, |from| {
        let _ = limit(from);
        let _ = from.setting("SECRET", "").read_optional::<Secret>();
        from.ignore("IGNORED_NAME", "no use");
    });
    let typos: Vec<_> = outcome
        .notes
        .typos
        .iter()
        .map(|typo| (typo.unknown.as_str(), typo.nearest.as_ref()))
        .collect();
    assert_eq!(
        typos,
        [
            ("IGNORED_NAM", "IGNORED_NAME"),
            ("LIMITS", "LIMIT"),
            ("SECRETT_FILE", "SECRET_FILE"),
            ("SECRET_FILE_", "SECRET_FILE"),
        ]
    );
    assert_eq!(outcome.notes.aliases, ["IGNORED_NAME: no use"]);
}

fn temp_file(name: &str, content: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("plimsoll-{name}-{}", std::process::id()));
    fs::write(&path, content).unwrap();
    path
}
