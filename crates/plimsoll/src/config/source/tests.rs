//! Tests of [`super`]: precedence of sources, and errors of files.

use std::{
    fs,
    os::unix::ffi::OsStringExt,
    sync::atomic::{AtomicU32, Ordering},
};

use super::*;
use crate::config::file::MAX_FILE;

/// A file that is removed when the test is over.
struct TempFile(PathBuf);

impl TempFile {
    fn new(content: impl AsRef<[u8]>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("plimsoll-source-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn text<'s>(sources: &'s Sources<'_>, name: &str) -> Option<(&'s str, String)> {
    let found = sources.get(name)?;
    Some((found.text, found.origin.to_string()))
}

#[test]
fn process_environment_wins_and_empty_is_unset() {
    let file = TempFile::new("A=file\nB=file\nC=file\nD=\nC=last\n");
    let environment =
        Environment::from_pairs([("A", "process"), ("B", ""), ("ENV_FILE", file.path())]);
    let (sources, findings) = Sources::open(&environment);
    assert_eq!(findings.problems, []);
    let from_file = format!("env file {}", file.path());
    #[track_caller]
    fn check(sources: &Sources<'_>, name: &str, expect: Option<(&str, &str)>) {
        let found = text(sources, name);
        let found = found
            .as_ref()
            .map(|(text, origin)| (*text, origin.as_str()));
        assert_eq!(found, expect, "{name}");
    }
    check(&sources, "A", Some(("process", "environment")));
    check(&sources, "B", Some(("file", &from_file)));
    check(&sources, "C", Some(("last", &from_file)));
    check(&sources, "D", None);
    check(&sources, "E", None);
    check(&sources, "ENV_FILE", Some((file.path(), "environment")));
    let place = sources.get("C").unwrap().origin.place();
    assert_eq!(place, Some(format!("line 5 of {}", file.path())));
    assert_eq!(sources.names().filter(|name| *name == "A").count(), 2);
}

#[test]
fn argument_wins_over_env_file() {
    let named = TempFile::new("A=environment");
    let argument = TempFile::new("A=argument");
    let environment =
        Environment::from_pairs([("ENV_FILE", named.path())]).with_env_file(argument.path());
    let (sources, findings) = Sources::open(&environment);
    assert_eq!(findings.problems, []);
    assert_eq!(text(&sources, "A").unwrap().0, "argument");
    assert_eq!(
        text(&sources, ENV_FILE),
        Some((argument.path(), "--env-file".to_owned()))
    );
}

#[test]
fn profile_cannot_name_another_one() {
    let file = TempFile::new("ENV_FILE=/nowhere\nA=b");
    let environment = Environment::default().with_env_file(file.path());
    let (sources, findings) = Sources::open(&environment);
    assert_eq!(findings.problems, []);
    assert_eq!(
        findings.notes,
        ["ENV_FILE: a profile cannot name another one"]
    );
    assert_eq!(text(&sources, ENV_FILE).unwrap().0, file.path());
}

#[test]
fn errors_in_a_profile_have_file_and_line_but_no_value() {
    #[track_caller]
    fn check(content: &[u8], expect: &[&str]) {
        let file = TempFile::new(content);
        let environment = Environment::default().with_env_file(file.path());
        let (_, findings) = Sources::open(&environment);
        let lines: Vec<_> = findings.problems.iter().map(ToString::to_string).collect();
        let expect: Vec<_> = expect
            .iter()
            .map(|rest| format!("--env-file=\"{}\": expected {rest}", file.path()))
            .collect();
        assert_eq!(lines, expect);
        assert!(!lines.concat().contains("canary"));
    }
    check(
        b"A=b\ncanary\n\nB='canary\n",
        &["NAME=value in line 2", "a closing quote in line 4"],
    );
    check(b"A=b\nB=canary\nC=\xff", &["UTF-8 in line 3"]);
    check(b"\xff", &["UTF-8 in line 1"]);
    let too_long = vec![b'#'; usize::try_from(MAX_FILE).unwrap() + 1];
    check(
        &too_long,
        &["a readable file, for example \".env.int\"; it is longer than 1048576 bytes"],
    );
    check(&too_long[1..], &[]);
}

#[test]
fn bad_lines_above_twenty_are_summed_up() {
    let file = TempFile::new("{\n".repeat(1000));
    let environment = Environment::default().with_env_file(file.path());
    let (_, findings) = Sources::open(&environment);
    assert_eq!(findings.problems.len(), 21);
    let last = findings.problems.last().unwrap().expected();
    assert_eq!(last, "NAME=value in 980 more lines");
    let file = TempFile::new("{\n".repeat(20));
    let environment = Environment::default().with_env_file(file.path());
    assert_eq!(Sources::open(&environment).1.problems.len(), 20);
}

#[test]
fn unreadable_profile_is_an_error_of_its_variable_or_flag() {
    #[track_caller]
    fn check(environment: &Environment, variable: &str) {
        let (_, findings) = Sources::open(environment);
        let [problem] = findings.problems.as_slice() else {
            panic!("one problem");
        };
        assert_eq!(problem.variable(), variable);
        assert_eq!(problem.held(), Some("/nowhere/.env"));
        assert!(problem.to_string().contains("No such file"), "{problem}");
    }
    check(
        &Environment::from_pairs([("ENV_FILE", "/nowhere/.env")]),
        "ENV_FILE",
    );
    check(
        &Environment::default().with_env_file("/nowhere/.env"),
        "--env-file",
    );
    let directory = Environment::default().with_env_file("/");
    assert_eq!(Sources::open(&directory).1.problems.len(), 1);
}

#[test]
fn names_and_values_that_are_not_utf8_are_kept() {
    let bad = |text: &[u8]| OsString::from_vec(text.to_vec());
    let environment =
        Environment::from_pairs([(bad(b"PORT"), bad(b"80\xff")), (bad(b"LOG\xff"), bad(b"x"))]);
    let (sources, _) = Sources::open(&environment);
    let found = sources.get("PORT").unwrap();
    assert!(!found.is_utf8);
    assert_eq!(found.text, "80\u{fffd}");
    assert!(sources.names().any(|name| name == "LOG\u{fffd}"));
}

#[test]
fn secret_file_loses_one_line_feed_and_is_not_empty() {
    #[track_caller]
    fn check(content: &[u8], expect: Result<&str, &str>) {
        let file = TempFile::new(content);
        let read = read_secret(&file.0);
        assert_eq!(read.as_deref().map_err(String::as_str), expect);
    }
    check(b"key", Ok("key"));
    check(b"key\n", Ok("key"));
    check(b"key\r\n", Ok("key"));
    check(b"key\n\n", Ok("key\n"));
    check(b" key ", Ok(" key "));
    check(b"", Err("it is empty"));
    check(b"\n", Err("it is empty"));
    check(b"ok\n\xff", Err("line 2 is not UTF-8"));
    assert!(read_secret(Path::new("/nowhere/key")).is_err());
}

#[test]
fn debug_shows_names_and_no_values() {
    let shown = format!("{:?}", Environment::from_pairs([("SECRET_KEY", "canary")]));
    assert!(shown.contains("SECRET_KEY"));
    assert!(!shown.contains("canary"));
}

#[test]
fn process_environment_is_read() {
    // Cargo sets this one for the tests that it runs.
    let environment = Environment::from_process();
    assert!(environment.get("CARGO_PKG_NAME").is_some());
}
