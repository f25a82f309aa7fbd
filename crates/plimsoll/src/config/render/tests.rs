//! Tests of [`super`]: outputs are complete, fit their width, and parse again.

use super::*;
use crate::{
    BuildInfo,
    config::{
        Environment, Invalid, Reader, Secret, Settings, definitions, env_file, load,
        value::DurationOrOff,
    },
};

const BUILD: BuildInfo = BuildInfo::new("demo", "1.2.3", "today");

/// One setting of each kind.
#[derive(Debug)]
struct Own;

impl Settings for Own {
    fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
        let url = from
            .setting("DATABASE_URL", "Where the data is | and stays.")
            .example("postgres://db/app")
            .read::<String>();
        let token = from
            .setting("API_TOKEN", "Token.")
            .read_optional::<Secret>();
        let greeting = from
            .setting("GREETING", "What is said.")
            .default(" a # b")
            .read::<String>();
        let pause = from
            .setting("PAUSE", "A pause.")
            .alias("OLD_PAUSE")
            .default("2m")
            .read::<DurationOrOff>();
        let shop = from
            .setting("SHOP_URL", "A database with a password.")
            .read_optional::<String>();
        url?;
        shop?;
        token?;
        greeting?;
        pause?;
        Ok(Self)
    }
}

#[test]
fn help_has_every_setting_and_alias() {
    let definitions = definitions::<Own>(&BUILD);
    assert_eq!(
        definitions.settings().len(),
        if cfg!(feature = "otlp") { 53 } else { 38 }
    );
    let help = definitions.help("demo", "A service.");
    for setting in definitions.settings() {
        for name in setting.names() {
            assert!(help.contains(name), "{name} is missing in:\n{help}");
        }
    }
    for ignored in definitions.ignored() {
        assert!(help.contains(ignored.name));
    }
}

#[test]
fn no_line_is_wider_than_100_columns() {
    let definitions = definitions::<Own>(&BUILD);
    let help = definitions.help("demo", &"many words ".repeat(40));
    for line in help.lines() {
        assert!(line.chars().count() <= 100, "{line}");
        assert_eq!(line, line.trim_end());
    }
}

#[test]
fn docs_do_not_depend_on_the_build() {
    let other = BuildInfo::new("other", "9.9.9", "later");
    assert_eq!(definitions::<Own>(&BUILD), definitions::<Own>(&other));
}

#[test]
fn help_has_usage_and_all_settings() {
    let help = definitions::<Own>(&BUILD).help("demo", "A service.");
    for part in [
        "demo: A service.\n\nUsage: demo [--check-config] [--env-file PATH]\n       demo healthcheck",
        "\n  --version        print",
        "\nSettings of this service:\n\n  DATABASE_URL (required)\n",
        "\n  PAUSE [OLD_PAUSE] (2m)\n      A pause.\n      Accepted: a duration of at most",
        "\n      Accepted: a secret text, or its file in API_TOKEN_FILE.\n",
        "\nSettings of every service:\n\n  SERVICE_NAME (from the binary)\n",
        "\nAccepted, without effect:\n  RUST_LOG: LOG_LEVEL sets",
    ] {
        assert!(help.contains(part), "{part:?} is missing in:\n{help}");
    }
    let none = definitions::<()>(&BUILD).help("demo", "A service.");
    assert!(!none.contains("Settings of this service"));
}

#[test]
fn report_shows_canonical_values_with_their_origin() {
    let environment = Environment::from_pairs([
        ("DATABASE_URL", "postgres://db/a #b"),
        ("API_TOKEN", "canary"),
        ("SHOP_URL", "db://app:canary@h"),
        ("GUNICORN_TIMEOUT", "7"),
        ("READ_TIMEOUT", "1.5"),
        ("DEBUG", "Yes"),
        ("TRUSTED_PROXIES", "10.1.2.3/8, ::1"),
        ("MAX_BODY_BYTES", "1048576"),
    ]);
    let loaded = load::<Own>(&BUILD, &environment).unwrap();
    let report = loaded.report.check_report();
    let lines: Vec<Vec<&str>> = report
        .lines()
        .map(|line| line.split("  # ").collect())
        .collect();
    #[track_caller]
    fn check(lines: &[Vec<&str>], setting: &str, origin: &str) {
        let line = lines.iter().find(|line| line[0].trim_end() == setting);
        assert_eq!(
            line.map(|line| line[1]),
            Some(origin),
            "{setting} in {lines:?}"
        );
    }
    check(&lines, "SERVICE_NAME=demo", "default");
    check(
        &lines,
        "REQUEST_TIMEOUT=7s",
        "alias GUNICORN_TIMEOUT, environment",
    );
    check(&lines, "READ_TIMEOUT=1500ms", "environment");
    check(&lines, "DEBUG=true", "environment");
    check(&lines, "TRUSTED_PROXIES=10.0.0.0/8,::1/128", "environment");
    check(&lines, "MAX_BODY_BYTES=1MiB", "environment");
    check(&lines, "SECRET_KEY=(unset)", "default");
    check(&lines, "API_TOKEN=***", "environment");
    check(&lines, "GREETING=\" a # b\"", "default");
    check(&lines, "DATABASE_URL=\"postgres://db/a #b\"", "environment");
    check(&lines, "PAUSE=120s", "default");
    check(&lines, "SHOP_URL=db://app:***@h", "environment");
    assert!(!report.contains("canary"));
    let columns: Vec<_> = report.lines().map(|line| line.rfind("  # ")).collect();
    assert!(
        columns.iter().all(|column| *column == columns[0]),
        "{report}"
    );
    assert_eq!(
        loaded.report.origin("PAUSE").unwrap().to_string(),
        "default"
    );
    assert_eq!(loaded.report.origin("NONE"), None);
}

#[test]
fn report_of_defaults_is_a_profile() {
    let environment = Environment::from_pairs([("READ_TIMEOUT", "0.25"), ("LOG_LEVEL", "warn")]);
    let first = load::<()>(&BUILD, &environment).unwrap();
    let report = first.report.check_report();
    let (assignments, bad) = env_file::parse(&report);
    assert_eq!(bad, []);
    let set = assignments.into_iter().filter(|it| it.value != "(unset)");
    let pairs = set.map(|it| (it.name, it.value));
    let second = load::<()>(&BUILD, &Environment::from_pairs(pairs)).unwrap();
    assert_eq!(
        format!("{:?}", first.config),
        format!("{:?}", second.config)
    );
}

#[test]
fn value_is_quoted_only_where_it_would_be_misread() {
    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(profile_value(text), expect);
    }
    check("plain", "plain");
    check("a b", "a b");
    check("a#b", "a#b");
    check("it's", "it's");
    check("a #b", "\"a #b\"");
    check(" a", "\" a\"");
    check("'a'", "\"'a'\"");
    check("a\nB=c", "\"a\\nB=c\"");
    check("say \"so\"", "\"say \\\"so\\\"\"");
    check("\u{1b}[31m", "\"\\u{1b}[31m\"");
}

#[test]
fn words_are_wrapped_between_indent_and_width() {
    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(wrapped(text, "# ", 10), expect);
    }
    check("one two three", "# one two\n# three\n");
    check("one  two\nsix", "# one two\n# six\n");
    check("12345678 9", "# 12345678\n# 9\n");
    check("1234567890123 4", "# 1234567890123\n# 4\n");
}
