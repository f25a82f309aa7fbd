//! Tests that this machine cannot run.

/// Prints that a test is skipped on this machine. In CI, fails it.
///
/// # Panics
///
/// If the variable `CI` is `true`.
#[track_caller]
#[expect(
    clippy::print_stderr,
    reason = "a skipped test must not look like a passed one"
)]
#[expect(
    clippy::disallowed_methods,
    reason = "the setting of the test run, not of a service"
)]
pub fn skip(why: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|value| value != "true"),
        "CI must not skip this test: {why}"
    );
    eprintln!("SKIPPED: {why}");
}
