//! Tests of [`super`] as a whole: all errors are reported together, and no output has a secret.

use std::fs;

use super::*;

const BUILD: BuildInfo = BuildInfo::new("demo", "1.2.3", "today");

#[derive(Debug, Clone, PartialEq)]
struct Own {
    url: String,
    size: u32,
}

impl Settings for Own {
    fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
        let url = from.setting("DATABASE_URL", "Where the data is.").read();
        let size = from
            .setting("POOL_SIZE", "Connections.")
            .default("10")
            .read();
        Ok(Self {
            url: url?,
            size: size?,
        })
    }
}

fn environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::from_pairs(pairs.iter().copied())
}

#[test]
fn errors_of_all_sources_are_reported_together() {
    let path = std::env::temp_dir().join(format!("plimsoll-config-{}", std::process::id()));
    fs::write(&path, "READ_TIMEOUT=soon\nnonsense\n").unwrap();
    let file = path.to_str().unwrap();
    let environment = environment(&[
        ("ENV_FILE", file),
        ("PORT", "70000"),
        ("POOL_SIZE", "many"),
        ("DATABASE_ULR", "postgres://db/app"),
    ]);
    let errors = load::<Own>(&BUILD, &environment).unwrap_err();
    fs::remove_file(&path).unwrap();
    let expect = format!(
        r#"5 settings are wrong:
  ENV_FILE="{file}": expected NAME=value in line 2
  PORT="70000": expected a port from 1 to 65535, for example "8080"
  READ_TIMEOUT="soon" (line 1 of {file}): expected a duration greater than 0 and at most 365 days, for example "5s"
  DATABASE_URL is required: expected text
  POOL_SIZE="many": expected a whole number from 0 to 4294967295, for example "10"
  note: DATABASE_ULR is not known, the nearest name is DATABASE_URL"#
    );
    assert_eq!(errors.to_string(), expect);
    let variables: Vec<_> = errors.records().map(|(variable, _)| variable).collect();
    assert_eq!(
        variables,
        [
            "ENV_FILE",
            "PORT",
            "READ_TIMEOUT",
            "DATABASE_URL",
            "POOL_SIZE"
        ]
    );
}

#[test]
fn settings_of_the_service_are_loaded_too() {
    let environment = environment(&[("DATABASE_URL", "here"), ("WORKERS", "3")]);
    let loaded = load::<Own>(&BUILD, &environment).unwrap();
    assert_eq!(
        loaded.settings,
        Own {
            url: "here".to_owned(),
            size: 10
        }
    );
    assert_eq!(loaded.config.workers, 3);
    assert_eq!(loaded.definitions, definitions::<Own>(&BUILD));
}

#[test]
fn error_counts_if_the_service_drops_its_proof() {
    #[derive(Debug)]
    struct Careless;

    impl Settings for Careless {
        fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
            let _ = from.setting("POOL_SIZE", "Connections.").read::<u32>();
            Ok(Self)
        }
    }
    let errors = load::<Careless>(&BUILD, &environment(&[])).unwrap_err();
    assert_eq!(errors.problems()[0].variable(), "POOL_SIZE");
}

#[test]
fn service_cannot_claim_a_name_of_the_chassis() {
    #[derive(Debug)]
    struct Colliding;

    impl Settings for Colliding {
        fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
            from.setting("GUNICORN_TIMEOUT", "Mine.")
                .default("1")
                .read::<u32>()?;
            Ok(Self)
        }
    }
    let errors = load::<Colliding>(&BUILD, &environment(&[])).unwrap_err();
    assert_eq!(
        errors.problems()[0].to_string(),
        "GUNICORN_TIMEOUT: expected a name that the chassis does not have already"
    );
}

#[test]
fn secrets_appear_in_no_output() {
    #[derive(Debug)]
    struct Keys {
        _token: Secret,
    }

    impl Settings for Keys {
        fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
            let token = from
                .setting("API_TOKEN", "Token.")
                .alias("OLD_TOKEN")
                .read();
            let shown = format!("{from:?}");
            assert!(!shown.contains("canary"), "{shown}");
            Ok(Self { _token: token? })
        }
    }
    #[track_caller]
    fn check(pairs: &[(&str, &str)], valid: bool) {
        let environment = environment(pairs);
        let shown = match load::<Keys>(&BUILD, &environment) {
            Ok(loaded) => {
                assert!(valid);
                let report = loaded.report.check_report();
                assert!(report.contains("API_TOKEN=***"), "{report}");
                format!("{loaded:?}{loaded:#?}{report}{environment:?}")
            }
            Err(errors) => {
                assert!(!valid, "{errors}");
                let records: Vec<_> = errors.records().collect();
                format!("{errors}{errors:?}{records:?}{environment:?}")
            }
        };
        assert!(!shown.contains("canary"), "{shown}");
    }
    check(&[("API_TOKEN", "canary"), ("SECRET_KEY", "canary")], true);
    check(
        &[("OLD_TOKEN", "canary"), ("DJANGO_SECRET_KEY", "canary")],
        true,
    );
    check(
        &[
            ("API_TOKEN", "canary"),
            ("OLD_TOKEN", "canary"),
            ("API_TOKE", "canary"),
        ],
        true,
    );
    check(&[("API_TOKEN", "canary"), ("PORT", "x")], false);
    check(
        &[("API_TOKEN", "canary"), ("API_TOKEN_FILE", "canary")],
        false,
    );
    check(&[("API_TOKEN_FILE", "canary")], false);
    check(
        &[("SECRET_KEY_FILE", "canary"), ("API_TOKEN", "canary")],
        false,
    );
}
