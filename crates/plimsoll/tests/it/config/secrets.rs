//! Secrets: never shown, read from files.

use super::{SECRET, check_config, problems};
use crate::support::{run, scratch_file, start};

/// CFG-5
#[test]
fn secret_is_never_shown() {
    let env = [
        ("SECRET_KEY", SECRET),
        ("API_TOKEN", SECRET),
        ("LOG_LEVEL", "TRACE"),
        ("DEBUG", "true"),
    ];
    let service = start(&env);
    for path in ["/secret-key", "/panic", "/log", "/metrics", "/nowhere"] {
        let answer = service.get(path);
        assert!(
            !String::from_utf8_lossy(&answer.body).contains(SECRET),
            "{path}"
        );
    }
    let ended = service.terminate();
    let printed = run(&["--check-config"], &env);
    let help = run(&["--help"], &env);
    let with_mistake = [env.as_slice(), &[("PORT", "x")]].concat();
    let refused = run(&[], &with_mistake);
    for ended in [ended, printed, help, refused] {
        assert!(!ended.stdout.contains(SECRET), "{}", ended.stdout);
        assert!(!ended.stderr.contains(SECRET), "{}", ended.stderr);
    }
}

/// CFG-5, CFG-6
#[test]
fn secret_is_masked_in_the_report() {
    let settings = check_config(&[], &[("SECRET_KEY", SECRET)]);
    assert_eq!(settings["SECRET_KEY"].0, "***");
    assert!(
        settings.contains_key("API_TOKEN"),
        "an unset secret is in the report too"
    );
    assert_ne!(settings["API_TOKEN"].0, "***");
}

/// CFG-5, CFG-6
#[test]
fn secret_is_read_from_a_file() {
    let path = scratch_file("secret-key", &format!("{SECRET}\n"));
    let service = start(&[("SECRET_KEY_FILE", &path)]);
    assert_eq!(service.get("/secret-key").text(), "set\n");
    let settings = check_config(&[], &[("SECRET_KEY_FILE", &path)]);
    assert_eq!(settings["SECRET_KEY"].0, "***");
    assert!(
        settings["SECRET_KEY"].1.contains("file"),
        "{:?}",
        settings["SECRET_KEY"]
    );
}

/// CFG-5
#[test]
fn unreadable_secret_file_is_an_error() {
    let empty = scratch_file("empty-secret", "");
    for path in ["/no/such/file", empty.as_str()] {
        let ended = run(&[], &[("API_TOKEN_FILE", path)]);
        let problems = problems(&ended);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("API_TOKEN"), "{problems:?}");
    }
}

/// CFG-5
#[test]
fn secret_set_twice_is_an_error_that_shows_neither() {
    let path = scratch_file("second-token", SECRET);
    let ended = run(&[], &[("API_TOKEN", SECRET), ("API_TOKEN_FILE", &path)]);
    let variables = problems(&ended);
    assert_eq!(variables.len(), 1);
    assert!(variables[0].starts_with("API_TOKEN"), "{variables:?}");
    assert!(!(ended.stdout + &ended.stderr).contains(SECRET));
}

/// CFG-5
#[test]
fn unset_required_secret_is_an_error_outside_debug_mode() {
    assert_eq!(start(&[]).get("/secret-key").status, 500);
    assert_eq!(start(&[("DEBUG", "true")]).get("/secret-key").status, 200);
}
