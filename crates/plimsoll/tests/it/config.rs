//! Configuration: settings, profiles, errors and the command line.

mod check_config;
mod command_line;
mod django;
mod errors;
mod profiles;
mod secrets;
mod start_errors;
mod values;

use std::collections::BTreeMap;
use std::time::Duration;

use harness::ExitedProcess;

use crate::support::run;

/// The exit status of configuration errors.
const EX_CONFIG: i32 = 78;

/// A value that must not appear in any output.
const SECRET: &str = "c4n4ry-0f-th3-s3cr3t";

/// A line of `--check-config`: the value, and where it comes from.
type Effective = BTreeMap<String, (String, String)>;

/// Returns the effective settings that `--check-config` prints.
#[track_caller]
fn check_config(args: &[&str], env: &[(&str, &str)]) -> Effective {
    let args: Vec<&str> = args.iter().copied().chain(["--check-config"]).collect();
    let ended = run(&args, env);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    effective(&ended)
}

#[track_caller]
fn effective(ended: &ExitedProcess) -> Effective {
    let parse = |line: &str| {
        let (name, rest) = line.split_once('=')?;
        let (value, origin) = rest.rsplit_once("# ")?;
        Some((
            name.trim().to_owned(),
            (value.trim().to_owned(), origin.trim().to_owned()),
        ))
    };
    ended
        .stdout
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| parse(line).unwrap_or_else(|| panic!("no setting: {line:?}")))
        .collect()
}

/// Parses a duration in the form of the report.
#[track_caller]
fn duration(text: &str) -> Duration {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits
        .parse()
        .unwrap_or_else(|_| panic!("no duration: {text:?}"));
    Duration::from_secs_f64(match &text[digits.len()..] {
        "ms" => number / 1000.0,
        "s" | "" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        unit => panic!("no unit: {unit:?}"),
    })
}

/// Returns the variables in the only `config_invalid` record of a failed start.
#[track_caller]
fn problems(ended: &ExitedProcess) -> Vec<String> {
    assert_eq!(
        ended.code,
        Some(EX_CONFIG),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    let records = ended.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["message"], "config_invalid");
    let problems = records[0]["problems"]
        .as_array()
        .expect("problems are a list");
    problems
        .iter()
        .map(|problem| {
            problem["variable"]
                .as_str()
                .expect("a variable has a name")
                .to_owned()
        })
        .collect()
}

/// Checks that this setting is rejected, and no other.
#[track_caller]
fn assert_rejected(name: &str, value: &str) {
    let ended = run(&[], &[(name, value)]);
    assert_eq!(problems(&ended), [name], "{name}={value}");
}
