//! CFG: configuration. CLI: the command line.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use harness::ExitedProcess;
use serde_json::Value;

use crate::support::{SERVICE, fixture, ms, run, scratch_file, shortest, spawn, start};

/// What tells a mistake in the configuration from every other failure.
const EX_CONFIG: i32 = 78;

/// A value that must never be seen anywhere.
const CANARY: &str = "c4n4ry-0f-th3-s3cr3t";

/// A line of `--check-config`: the value, and where it comes from.
type Effective = BTreeMap<String, (String, String)>;

/// The effective settings that `--check-config` prints.
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

/// A duration as the report prints it.
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

/// The variables of the one `config_invalid` record of a start that failed.
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

/// Checks that one setting is refused, and only that one.
#[track_caller]
fn assert_refused(name: &str, value: &str) {
    let ended = run(&[], &[(name, value)]);
    assert_eq!(problems(&ended), [name], "{name}={value}");
}

/// What the Django service was configured with.
const DJANGO_ENV: &str = "\
DEBUG=false
HOST=0.0.0.0
PORT=8080

LOG_LEVEL=INFO

READ_TIMEOUT=2s
IDLE_TIMEOUT=30s
SHUTDOWN_TIMEOUT=5s

DJANGO_SECRET_KEY=dev-secret-key

# Optional: only if running behind proxies you trust
# TRUSTED_PROXIES=10.0.0.0/8,172.16.0.0/12

# Gunicorn
GUNICORN_WORKERS=2
GUNICORN_WORKER_CLASS=gthread
GUNICORN_THREADS=4
GUNICORN_TIMEOUT=30
GUNICORN_KEEPALIVE=5
GUNICORN_GRACEFUL_TIMEOUT=5
";

/// CFG-1, CFG-6, CFG-7
#[test]
fn an_env_file_of_the_django_service_starts_this_one() {
    let path = scratch_file("django.env", DJANGO_ENV);
    // The test's own HOST and PORT win over the file's.
    let service = start(&[("ENV_FILE", &path)]);
    assert_eq!(service.get("/health").status, 200);
    assert_eq!(service.get("/secret-key").text(), "set\n");
    assert_eq!(service.terminate().code, Some(0));
}

/// CFG-1, CFG-6
#[test]
fn an_env_file_of_the_django_service_means_what_it_did() {
    let path = scratch_file("django-meaning.env", DJANGO_ENV);
    let settings = check_config(&["--env-file", &path], &[("HOST", ""), ("PORT", "")]);
    for (name, value) in [
        ("DEBUG", "false"),
        ("HOST", "0.0.0.0"),
        ("PORT", "8080"),
        ("LOG_LEVEL", "INFO"),
        ("WORKERS", "2"),
    ] {
        assert_eq!(settings[name].0, value, "{name}");
    }
    for (name, seconds) in [
        ("READ_TIMEOUT", 2),
        // The native name wins over GUNICORN_KEEPALIVE.
        ("IDLE_TIMEOUT", 30),
        ("REQUEST_TIMEOUT", 30),
        ("SHUTDOWN_TIMEOUT", 5),
    ] {
        assert_eq!(
            duration(&settings[name].0),
            Duration::from_secs(seconds),
            "{name}"
        );
    }
}

/// CFG-1
#[test]
fn the_defaults_are_those_of_the_django_service() {
    let settings = check_config(&[], &[("HOST", ""), ("PORT", "")]);
    for (name, value) in [
        ("HOST", "0.0.0.0"),
        ("PORT", "8080"),
        ("LOG_LEVEL", "INFO"),
        ("DEBUG", "false"),
    ] {
        assert_eq!(settings[name].0, value, "{name}");
        assert_eq!(settings[name].1, "default", "{name}");
    }
    for (name, seconds) in [
        ("READ_TIMEOUT", 5),
        ("IDLE_TIMEOUT", 120),
        ("REQUEST_TIMEOUT", 30),
        ("SHUTDOWN_TIMEOUT", 5),
        ("DRAIN_DELAY", 0),
    ] {
        assert_eq!(
            duration(&settings[name].0),
            Duration::from_secs(seconds),
            "{name}"
        );
    }
}

/// CFG-1, LIFE-1
#[test]
fn in_kubernetes_the_drain_delay_is_five_seconds() {
    let settings = check_config(&[], &[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
    assert_eq!(duration(&settings["DRAIN_DELAY"].0), Duration::from_secs(5));
}

/// CFG-2, CFG-6
#[test]
fn durations_are_taken_in_all_their_forms() {
    for (text, expected) in [
        ("5s", ms(5000)),
        ("120s", ms(120_000)),
        ("5", ms(5000)),
        ("0.5", ms(500)),
        ("1.5s", ms(1500)),
        ("250ms", ms(250)),
        ("2m", ms(120_000)),
    ] {
        let settings = check_config(&[], &[("READ_TIMEOUT", text)]);
        let printed = &settings["READ_TIMEOUT"].0;
        assert_eq!(duration(printed), expected, "{text} became {printed}");
        // What is printed is accepted again.
        let again = check_config(&[], &[("READ_TIMEOUT", printed)]);
        assert_eq!(&again["READ_TIMEOUT"].0, printed);
    }
    assert_eq!(
        check_config(&[], &[("READ_TIMEOUT", "7s")])["READ_TIMEOUT"].0,
        "7s"
    );
}

/// CFG-2
#[test]
fn other_texts_are_no_durations() {
    for text in [
        "0", "0s", "0ms", "-1s", "+1s", "soon", "5 s", "1e3", "s", "5x", "1s2", "inf", ".",
    ] {
        assert_refused("READ_TIMEOUT", text);
    }
}

/// CFG-2
#[test]
fn zero_is_taken_where_it_means_off() {
    for name in ["REQUEST_TIMEOUT", "DRAIN_DELAY"] {
        assert!(check_config(&[], &[(name, "0")]).contains_key(name));
    }
    for name in ["READ_TIMEOUT", "IDLE_TIMEOUT", "SHUTDOWN_TIMEOUT"] {
        assert_refused(name, "0");
    }
}

/// CFG-2
#[test]
fn ports_are_from_1_to_65535() {
    for port in ["1", "65535"] {
        assert_eq!(check_config(&[], &[("PORT", port)])["PORT"].0, port);
    }
    for port in ["0", "65536", "-1", "http", "80.0", "8080 9090"] {
        assert_refused("PORT", port);
    }
}

/// CFG-2
#[test]
fn booleans_are_taken_in_all_their_forms() {
    for (texts, expected) in [
        (["true", "1", "yes", "on", "TRUE", "Yes"], "true"),
        (["false", "0", "no", "off", "False", "OFF"], "false"),
    ] {
        for text in texts {
            assert_eq!(
                check_config(&[], &[("DEBUG", text)])["DEBUG"].0,
                expected,
                "{text}"
            );
        }
    }
    for text in ["perhaps", "2", "y", "enabled"] {
        assert_refused("DEBUG", text);
    }
}

/// CFG-2
#[test]
fn sizes_are_taken_in_all_their_forms() {
    // Compared by what the service does: one byte over the limit is too much.
    for (text, bytes) in [("1500", 1500), ("1KiB", 1024), ("1MiB", 1024 * 1024)] {
        let service = start(&[("MAX_BODY_BYTES", text)]);
        let post = |length: usize| crate::support::post("/upload", &"x".repeat(length));
        assert_eq!(service.request(post(bytes)).status, 200, "{text}");
        assert_eq!(service.request(post(bytes + 1)).status, 413, "{text}");
    }
    for text in ["2097152", "512KiB", "2MiB"] {
        assert!(check_config(&[], &[("MAX_BODY_BYTES", text)]).contains_key("MAX_BODY_BYTES"));
    }
    for text in [
        "0",
        "-1",
        "2MB",
        "2 MiB",
        "big",
        "KiB",
        "99999999999999999999GiB",
    ] {
        assert_refused("MAX_BODY_BYTES", text);
    }
}

/// CFG-2
#[test]
fn an_empty_value_is_an_unset_one() {
    let settings = check_config(
        &[],
        &[("READ_TIMEOUT", ""), ("DEBUG", ""), ("GREETING", "")],
    );
    for name in ["READ_TIMEOUT", "DEBUG", "GREETING"] {
        assert_eq!(settings[name].1, "default", "{name}");
    }
}

/// CFG-2
#[test]
fn settings_of_the_service_are_read_like_those_of_the_chassis() {
    let service = start(&[("GREETING", "ahoy"), ("POOL_SIZE", "20")]);
    assert_eq!(service.get("/hello").text(), "ahoy\n");
    assert_refused("POOL_SIZE", "101");
    assert_refused("POOL_SIZE", "many");
}

/// Four mistakes at once: three of the chassis's settings, one of the service's own.
const MISTAKES: [(&str, &str); 4] = [
    ("PORT", "70000"),
    ("READ_TIMEOUT", "soon"),
    ("DEBUG", "perhaps"),
    ("POOL_SIZE", "1000"),
];

/// CFG-3
#[test]
fn all_mistakes_are_reported_together_to_a_person() {
    let ended = run(&[], &MISTAKES);
    assert_eq!(ended.code, Some(EX_CONFIG));
    for (name, value) in MISTAKES {
        let line = ended.stderr.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("{name} is missing: {}", ended.stderr));
        assert!(line.contains(value), "{line}");
    }
    // What was expected, and an example.
    assert!(ended.stderr.contains("65535"), "{}", ended.stderr);
    assert!(ended.stderr.contains("8080"), "{}", ended.stderr);
}

/// CFG-3
#[test]
fn all_mistakes_are_reported_together_in_one_record() {
    let ended = run(&[], &MISTAKES);
    let mut variables = problems(&ended);
    variables.sort();
    assert_eq!(variables, ["DEBUG", "POOL_SIZE", "PORT", "READ_TIMEOUT"]);
    let record = &ended.records()[0];
    assert_eq!(record["levelname"], "ERROR");
    assert_eq!(record["name"], "infra");
    for problem in record["problems"].as_array().unwrap() {
        assert!(
            problem["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{problem}"
        );
    }
}

/// CFG-3
#[test]
fn nothing_is_bound_before_the_configuration_is_right() {
    // Were the port tried, the message would be that it is taken.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = run(&[], &[("PORT", &port), ("DEBUG", "perhaps")]);
    assert_eq!(problems(&ended), ["DEBUG"]);
}

/// CFG-3
#[test]
fn a_mistake_is_reported_within_200_ms() {
    let took = shortest(|| {
        let ended = run(&[], &MISTAKES);
        assert_eq!(ended.code, Some(EX_CONFIG));
        ended.took
    });
    assert!(took < ms(200), "{took:?}");
}

/// CFG-3
#[test]
fn a_bad_list_of_proxies_is_reported_with_its_bad_items() {
    let ended = run(
        &[],
        &[("TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.0/99,proxy.example")],
    );
    assert_eq!(problems(&ended), ["TRUSTED_PROXIES"]);
    for item in ["10.0.0.0/99", "proxy.example"] {
        assert!(ended.stderr.contains(item), "{}", ended.stderr);
    }
}

/// The warnings about unknown settings.
fn typos(env: &[(&str, &str)]) -> Vec<(String, String)> {
    let ended = start(env).terminate();
    ended
        .records_with("setting_unknown")
        .iter()
        .map(|record| {
            assert_eq!(record["levelname"], "WARNING");
            let text = |name: &str| record[name].as_str().expect("names are text").to_owned();
            (text("variable"), text("nearest"))
        })
        .collect()
}

/// CFG-4
#[test]
fn a_name_that_is_nearly_known_gets_a_warning() {
    for (unknown, nearest) in [
        ("READ_TIMEUOT", "READ_TIMEOUT"),
        ("READTIMEOUT", "READ_TIMEOUT"),
        ("LOG_LEVLE", "LOG_LEVEL"),
        ("TRUSTED_PROXYS", "TRUSTED_PROXIES"),
        // A setting of the service's own.
        ("GREETNG", "GREETING"),
        ("POOLSIZE", "POOL_SIZE"),
    ] {
        let expected = [(unknown.to_owned(), nearest.to_owned())];
        assert_eq!(typos(&[(unknown, "x")]), expected);
    }
}

/// CFG-4
#[test]
fn other_names_get_no_warning() {
    let none: [(String, String); 0] = [];
    // Known, too short, and more than two edits away.
    assert_eq!(typos(&[("READ_TIMEOUT", "4s"), ("SECRET_KEY", "k")]), none);
    assert_eq!(typos(&[("POTR", "1"), ("HSOT", "1"), ("DEBGU", "1")]), none);
    assert_eq!(
        typos(&[("REED_TIMEOUTS_", "1"), ("HOSTNAME", "h"), ("HOME", "/")]),
        none
    );
}

/// CFG-5
#[test]
fn a_secret_is_never_seen() {
    let env = [
        ("SECRET_KEY", CANARY),
        ("API_TOKEN", CANARY),
        ("LOG_LEVEL", "TRACE"),
        ("DEBUG", "true"),
    ];
    let service = start(&env);
    for path in ["/secret-key", "/panic", "/log", "/metrics", "/nowhere"] {
        let answer = service.get(path);
        assert!(
            !String::from_utf8_lossy(&answer.body).contains(CANARY),
            "{path}"
        );
    }
    let ended = service.terminate();
    let printed = run(&["--check-config"], &env);
    let help = run(&["--help"], &env);
    let with_mistake = [env.as_slice(), &[("PORT", "x")]].concat();
    let refused = run(&[], &with_mistake);
    for ended in [ended, printed, help, refused] {
        assert!(!ended.stdout.contains(CANARY), "{}", ended.stdout);
        assert!(!ended.stderr.contains(CANARY), "{}", ended.stderr);
    }
}

/// CFG-5, CFG-6
#[test]
fn a_secret_is_masked_in_the_report() {
    let settings = check_config(&[], &[("SECRET_KEY", CANARY)]);
    assert_eq!(settings["SECRET_KEY"].0, "***");
    assert!(
        settings.contains_key("API_TOKEN"),
        "an unset secret is in the report too"
    );
    assert_ne!(settings["API_TOKEN"].0, "***");
}

/// CFG-5, CFG-6
#[test]
fn a_secret_is_read_from_a_file() {
    let path = scratch_file("secret-key", &format!("{CANARY}\n"));
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
fn a_secret_that_cannot_be_read_is_a_mistake() {
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
fn a_secret_given_twice_is_a_mistake_that_shows_neither() {
    let path = scratch_file("second-token", CANARY);
    let ended = run(&[], &[("API_TOKEN", CANARY), ("API_TOKEN_FILE", &path)]);
    let variables = problems(&ended);
    assert_eq!(variables.len(), 1);
    assert!(variables[0].starts_with("API_TOKEN"), "{variables:?}");
    assert!(!(ended.stdout + &ended.stderr).contains(CANARY));
}

/// CFG-5
#[test]
fn a_secret_that_is_needed_and_unset_is_an_error_unless_debugging() {
    assert_eq!(start(&[]).get("/secret-key").status, 500);
    assert_eq!(start(&[("DEBUG", "true")]).get("/secret-key").status, 200);
}

/// CFG-6
#[test]
fn the_report_names_the_origin_of_each_setting() {
    let path = scratch_file("origins.env", "IDLE_TIMEOUT=9s\nGREETING='from the file'\n");
    let settings = check_config(
        &["--env-file", &path],
        &[("READ_TIMEOUT", "7s"), ("GUNICORN_TIMEOUT", "11")],
    );
    let origin = |name: &str| settings[name].1.as_str();
    assert_eq!(origin("LOG_LEVEL"), "default");
    assert_eq!(origin("READ_TIMEOUT"), "environment");
    assert!(
        origin("IDLE_TIMEOUT").contains(&path),
        "{}",
        origin("IDLE_TIMEOUT")
    );
    assert!(origin("GREETING").contains(&path), "{}", origin("GREETING"));
    assert_eq!(
        settings["GREETING"].0.trim_matches(['"', '\'']),
        "from the file"
    );
    let alias = origin("REQUEST_TIMEOUT");
    assert!(
        alias.contains("alias") && alias.contains("GUNICORN_TIMEOUT"),
        "{alias}"
    );
    assert_eq!(settings["REQUEST_TIMEOUT"].0, "11s");
    assert_eq!(settings["SERVICE_NAME"].0, SERVICE);
}

/// CFG-6
#[test]
fn checking_the_configuration_starts_nothing() {
    let ended = run(&["--check-config"], &[("SETUP_FAIL", "true")]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.stderr, "");
    assert!(!ended.stdout.contains("infra_app_ready"));
}

/// CFG-6
#[test]
fn checking_a_wrong_configuration_fails() {
    let ended = run(&["--check-config"], &MISTAKES);
    assert_eq!(ended.code, Some(EX_CONFIG));
    assert!(ended.stderr.contains("POOL_SIZE"), "{}", ended.stderr);
}

/// CFG-6, CFG-8, CLI-1
#[test]
fn help_lists_every_variable() {
    let ended = run(&["--help"], &[]);
    assert_eq!(ended.code, Some(0));
    for name in check_config(&[], &[]).into_keys() {
        assert!(ended.stdout.contains(&name), "{name} is not in the help");
    }
    for alias in [
        "DJANGO_SECRET_KEY",
        "GUNICORN_WORKERS",
        "GUNICORN_TIMEOUT",
        "GUNICORN_KEEPALIVE",
        "GUNICORN_GRACEFUL_TIMEOUT",
        "ENV_FILE",
        "--check-config",
        "--env-file",
    ] {
        assert!(ended.stdout.contains(alias), "{alias} is not in the help");
    }
}

/// CLI-1: what the environment calls it is another matter.
#[test]
fn the_version_is_what_was_built_in() {
    // The fixture is an example of the package `harness`, from the same build.
    let build = harness::build_info();
    let (service, version, time) = (build.service(), build.version(), build.build_time());
    for argument in ["--version", "-V"] {
        let ended = run(&[argument], &[]);
        assert_eq!(ended.code, Some(0));
        assert_eq!(ended.stdout, format!("{service} {version} ({time})\n"));
        assert_eq!(ended.stderr, "");
    }
}

/// CLI-1
#[test]
fn an_argument_that_is_not_understood_is_named() {
    let ended = run(&["--prot"], &[]);
    assert_eq!(ended.code, Some(64));
    assert!(ended.stderr.contains("--prot"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

/// CLI-2
#[test]
fn a_service_that_is_not_there_is_unhealthy() {
    // At the port that is kept for this child nobody listens.
    let ended = run(&["healthcheck"], &[]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("unhealthy: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("refused"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

/// CFG-6
#[test]
fn the_real_environment_wins_over_a_profile() {
    let path = scratch_file("wins.env", "GREETING=profile\n");
    let profile = start(&[("ENV_FILE", &path)]);
    assert_eq!(profile.get("/hello").text(), "profile\n");
    let real = start(&[("ENV_FILE", &path), ("GREETING", "real")]);
    assert_eq!(real.get("/hello").text(), "real\n");
}

/// CFG-6
#[test]
fn the_argument_wins_over_the_variable_that_names_a_profile() {
    let argument = scratch_file("argument.env", "GREETING=argument\n");
    let variable = scratch_file("variable.env", "GREETING=variable\n");
    let settings = check_config(&["--env-file", &argument], &[("ENV_FILE", &variable)]);
    assert_eq!(settings["GREETING"].0.trim_matches('"'), "argument");
}

/// CFG-6
#[test]
fn a_profile_that_cannot_be_read_is_a_mistake() {
    let ended = run(&[], &[("ENV_FILE", "/no/such/profile.env")]);
    assert_eq!(ended.code, Some(EX_CONFIG));
    assert!(
        ended.stderr.contains("/no/such/profile.env"),
        "{}",
        ended.stderr
    );
}

/// The one record about aliases, as text; `None` if there is none.
#[track_caller]
fn told_aliases(env: &[(&str, &str)]) -> Option<String> {
    let ended = start(env).terminate();
    let records = ended.records_with("settings_aliases");
    assert!(records.len() <= 1, "{records:?}");
    records.first().map(|record| {
        assert_eq!(record["levelname"], "INFO");
        record.to_string()
    })
}

/// CFG-7
#[test]
fn an_alias_sets_its_setting() {
    let settings = check_config(
        &[],
        &[
            ("GUNICORN_KEEPALIVE", "7"),
            ("GUNICORN_TIMEOUT", "8"),
            ("GUNICORN_GRACEFUL_TIMEOUT", "9"),
            ("GUNICORN_WORKERS", "3"),
            ("DJANGO_SECRET_KEY", CANARY),
        ],
    );
    for (name, value) in [
        ("IDLE_TIMEOUT", "7s"),
        ("REQUEST_TIMEOUT", "8s"),
        ("SHUTDOWN_TIMEOUT", "9s"),
        ("WORKERS", "3"),
        ("SECRET_KEY", "***"),
    ] {
        assert_eq!(settings[name].0, value, "{name}");
    }
}

/// CFG-7
#[test]
fn the_native_name_wins_over_its_alias() {
    let env = [
        ("REQUEST_TIMEOUT", "8s"),
        ("GUNICORN_TIMEOUT", "this need not be valid"),
    ];
    assert_eq!(check_config(&[], &env)["REQUEST_TIMEOUT"].0, "8s");
    let told = told_aliases(&env).expect("a shadowed alias is told");
    assert!(told.contains("GUNICORN_TIMEOUT"), "{told}");
}

/// CFG-7
#[test]
fn meaningless_aliases_are_told_in_one_record() {
    let env = [
        ("GUNICORN_THREADS", "4"),
        ("GUNICORN_WORKER_CLASS", "gthread"),
    ];
    let told = told_aliases(&env).expect("meaningless aliases are told");
    for (name, _) in env {
        assert!(told.contains(name), "{told}");
    }
}

/// CFG-7
#[test]
fn aliases_that_do_their_work_are_not_told() {
    assert_eq!(told_aliases(&[]), None);
    assert_eq!(
        told_aliases(&[("GUNICORN_TIMEOUT", "8"), ("GUNICORN_WORKERS", "1")]),
        None
    );
}

/// CFG-2
#[test]
fn debugging_is_warned_about_at_start() {
    let ended = start(&[("DEBUG", "true")]).terminate();
    let warnings = ended.records_with("debug_enabled");
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0]["levelname"], "WARNING");
    let quiet = start(&[]).terminate();
    assert_eq!(quiet.records_with("debug_enabled"), Vec::<Value>::new());
}

/// CFG-3
#[test]
fn a_value_that_is_no_text_is_a_mistake() {
    // The shell makes the byte that a Rust string cannot hold.
    let script = format!("GREETING=$(printf '\\377') exec {}", fixture().display());
    let process = harness::Process::spawn_with("/bin/sh", &["-c", &script], &[]);
    let ended = process.wait(Duration::from_secs(10));
    assert_eq!(problems(&ended), ["GREETING"]);
}

/// CFG-2
#[test]
fn addresses_are_taken_in_all_their_forms() {
    for host in ["127.0.0.1", "0.0.0.0", "::", "::1", "[::1]"] {
        let process = spawn(&[("HOST", host)]);
        process.wait_until_ready();
        assert_eq!(process.get("/hello").status, 200, "{host}");
    }
    for host in ["localhost", "example.org", "1.2.3", "unix:"] {
        assert_refused("HOST", host);
    }
}
