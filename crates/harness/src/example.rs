//! Paths of the services under test, which tests run as child processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use plimsoll::BuildInfo;

/// Returns the path of an example binary of this build.
///
/// # Panics
///
/// If the binary is missing, or older than a source file that this test was built from.
///
/// `cargo test --workspace` builds all examples.
/// `cargo test -p plimsoll` does not build those of this crate.
#[must_use]
#[track_caller]
pub fn example(name: &str) -> PathBuf {
    let command = "cargo build -p harness -p plimsoll --examples";
    built(&Path::new("examples").join(name), command)
}

/// Returns the path of the reference service of this build.
///
/// # Panics
///
/// If the binary is missing, or older than a source file that this test was built from.
///
/// `cargo test --workspace` builds it.
#[must_use]
#[track_caller]
pub fn reference_service() -> PathBuf {
    let command = "cargo build -p rust-axum-app";
    built(Path::new("rust-axum-app"), command)
}

/// Returns a binary in the folder of this build, such as `target/debug`.
#[track_caller]
fn built(path: &Path, command: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("a test is in target/PROFILE/deps");
    let binary = profile.join(path);
    assert!(
        binary.exists(),
        "{} is missing: run `{command}`",
        binary.display()
    );
    if let Some(source) = newer_source(&binary, &test) {
        panic!(
            "{} is older than {}: run `{command}`",
            binary.display(),
            source.display()
        );
    }
    binary
}

/// Returns the build information of a service in this package without build arguments.
#[must_use]
pub fn build_info() -> BuildInfo {
    plimsoll::build_info!()
}

/// Returns a source of `binary` that was changed between the builds of `binary` and of `test`.
///
/// A source that was changed later is in neither of them.
fn newer_source(binary: &Path, test: &Path) -> Option<PathBuf> {
    // Cargo writes `TARGET: SOURCE SOURCE…` beside the binary.
    let rule = fs::read_to_string(binary.with_added_extension("d")).ok()?;
    let (_, sources) = rule.split_once(": ")?;
    let (built, tested) = (modified(binary)?, modified(test)?);
    let mut sources = sources.split_whitespace().map(PathBuf::from);
    sources
        .find(|source| modified(source).is_some_and(|changed| changed > built && changed < tested))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_a_source_between_the_two_builds_is_newer() {
        let name = format!("harness-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        let file = |name: &str, text: &str, second: u64| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(time).unwrap();
            path
        };
        let example = file("example", "", 20);
        let test = file("test", "", 40);
        let sources = [("old", 10), ("between", 30), ("later", 50)];
        let found = sources.map(|(name, second)| {
            let source = file(name, "", second);
            let rule = format!("{}: {}\n", example.display(), source.display());
            file("example.d", &rule, 20);
            newer_source(&example, &test)
        });
        assert_eq!(found, [None, Some(folder.join("between")), None]);
        fs::remove_file(folder.join("example.d")).unwrap();
        assert_eq!(newer_source(&example, &test), None);
        fs::remove_dir_all(folder).unwrap();
    }
}
