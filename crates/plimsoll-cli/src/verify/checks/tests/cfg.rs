//! CFG: starts with valid and invalid values.

use super::*;

fn judge_start(id: &str, start: Start) -> Option<bool> {
    let evidence = Evidence {
        start: Some(start),
        ..Evidence::default()
    };
    judge(id, &evidence)
}

#[test]
fn wrong_values_end_the_start() {
    let ready = || Start::Ready(Duration::ZERO);
    let listens = |ports: &[u16]| Start::Silent {
        listens_on: ports.to_vec(),
    };
    for id in ["CFG-2:duration", "CFG-2:port", "CFG-2:boolean"] {
        let is_port = id == "CFG-2:port";
        let expected = (!is_port).then_some(true);
        assert_eq!(judge_start(id, Start::Ended(ended(Some(78)))), expected);
        assert_eq!(judge_start(id, Start::Ended(ended(Some(0)))), Some(false));
        assert_eq!(judge_start(id, Start::Ended(ended(None))), Some(false));
        assert_eq!(judge_start(id, ready()), Some(false));
        assert_eq!(judge_start(id, listens(&[8080])), Some(false));
        assert_eq!(judge_start(id, listens(&[])), None);
    }
    let port = |line: &str| {
        let evidence = Evidence {
            scenario: &scenario::NO_PORT,
            start: Some(Start::Ended(ended(Some(1)))),
            ..started([], &[line])
        };
        judge("CFG-2:port", &evidence)
    };
    assert_eq!(port("PORT: expected a number"), Some(true));
    assert_eq!(port("listen tcp: address 70000: invalid port"), Some(true));
    assert_eq!(port("bind(): port must be 0-65535."), Some(true));
    assert_eq!(port("cannot listen on 127.0.0.1:8080: in use"), None);
    assert_eq!(judge_start("CFG-2:spellings", ready()), Some(true));
    assert_eq!(judge_start("CFG-2:spellings", listens(&[])), Some(false));
}

#[test]
fn wrong_settings_are_reported_together() {
    let evidence = |code, error: &str, record: &str| Evidence {
        scenario: &Scenario {
            variables: &[("A_NAME", "1"), ("B_NAME", "2")],
            ..DEFAULTS
        },
        start: Some(Start::Ended(ended(Some(code)))),
        lines: Some(vec![
            Line {
                stream: Stream::Err,
                bytes: error.as_bytes().to_vec(),
            },
            Line {
                stream: Stream::Out,
                bytes: record.as_bytes().to_vec(),
            },
        ]),
        ..Evidence::default()
    };
    let good = evidence(
        78,
        "A_NAME=1 and B_NAME=2",
        r#"{"message":"config_invalid"}"#,
    );
    let bad = evidence(1, "A_NAME=1", "");
    for id in ["CFG-3:status", "CFG-3:together", "CFG-3:record"] {
        assert_eq!(judge(id, &good), Some(true), "{id}");
        assert_eq!(judge(id, &bad), Some(false), "{id}");
    }
}

#[test]
fn report_has_values_and_origins() {
    const REPORT: &str = "IDLE_TIMEOUT=120s # default\nWRITE_TIMEOUT=37s # environment";
    let judge = |id, run| judge_runs(id, [run]);
    let run = |code, out: &str| ran("valid", code, out, "");
    assert_eq!(judge("CFG-6:valid", run(0, REPORT)), Some(true));
    assert_eq!(judge("CFG-6:valid", run(1, REPORT)), Some(false));
    assert_eq!(judge("CFG-6:valid", run(0, "valid")), Some(false));
    let longer = REPORT.replace("37s", "137s");
    assert_eq!(judge("CFG-6:valid", run(0, &longer)), Some(false));
    assert_eq!(judge("CFG-6:origin", run(0, REPORT)), Some(true));
    let without = REPORT.replace("environment", "");
    assert_eq!(judge("CFG-6:origin", run(0, &without)), Some(false));

    let native = |text| judge("CFG-7:native", run(0, text));
    assert_eq!(native("REQUEST_TIMEOUT=31s"), Some(true));
    assert_eq!(native("REQUEST_TIMEOUT=32s"), Some(false));
    let defaults = |text: &str| judge("CFG-1:defaults", run(0, text));
    let all =
        "DEBUG=false\nLOG_LEVEL=INFO\nREAD_TIMEOUT: 5\nIDLE_TIMEOUT = 2m\nSHUTDOWN_TIMEOUT=5s";
    assert_eq!(defaults(all), Some(true));
    assert_eq!(defaults(&all.replace("2m", "12m")), Some(false));
    assert_eq!(defaults(&all.replace("=5s", "=0.5s")), Some(false));
    assert_eq!(
        defaults(&all.replace("DEBUG", "DEBUG_ON_ERROR")),
        Some(false)
    );
    assert_eq!(defaults(&all.replace("5s", "15s")), Some(false));

    let profile = |out: &str| judge("CFG-6:profile", ran("profile", 0, out, ""));
    let right = "READ_TIMEOUT=41s\nWRITE_TIMEOUT=37s";
    assert_eq!(profile(right), Some(true));
    assert_eq!(profile(&right.replace("37", "43")), Some(false));
    assert_eq!(profile(&right.replace("41", "5")), Some(false));
}

#[test]
fn report_rejects_what_a_start_would_reject() {
    let judge = |id, run| judge_runs(id, [run]);
    let wrong = |code, err| judge("CFG-6:wrong", ran("wrong", code, "", err));
    assert_eq!(wrong(78, "READ_TIMEOUT: soon"), Some(true));
    assert_eq!(wrong(78, "wrong"), Some(false));
    assert_eq!(wrong(0, "READ_TIMEOUT: soon"), Some(false));
    let files = |code, err| judge("CFG-6:files", ran("files", code, "", err));
    assert_eq!(files(78, "/a/missing.crt"), Some(true));
    assert_eq!(files(78, "TLS_CERT_FILE: not built"), Some(true));
    assert_eq!(files(0, "/a/missing.crt"), Some(false));
}

#[test]
fn report_and_start_name_the_memory_of_bodies() {
    let judge = |id, run| judge_runs(id, [run]);
    let memory = |out: &str| judge("CFG-11:memory", ran("memory", 0, out, ""));
    assert_eq!(memory("at most 64 MiB; memory limit: 9 MiB"), Some(true));
    assert_eq!(memory("at most 64 MiB"), Some(false));
    assert_eq!(memory("at most 164 MiB; memory limit: 9 MiB"), Some(false));
    assert_eq!(memory("memory limit: 9 MiB"), Some(false));
    let warning = |out: &str| judge("CFG-11:warning", ran("warning", 0, out, ""));
    let record = r#"{"levelname":"WARNING","message":"bodies_exceed_memory"}"#;
    assert_eq!(warning(record), Some(true));
    assert_eq!(warning(&record.replace("WARNING", "INFO")), Some(false));
    assert_eq!(warning(""), Some(false));
}

#[test]
fn help_lists_the_settings() {
    const ALL: &str = "ADMIN_ADDR DEBUG DRAIN_DELAY HOST LOG_LEVEL MAX_BODY_BYTES MAX_IN_FLIGHT \
                       PORT READ_TIMEOUT SERVICE_NAME SHUTDOWN_TIMEOUT TRUSTED_PROXIES";
    let help = |out: &str| judge_runs("CFG-6:help", [ran("help", 0, out, "")]);
    assert_eq!(help(ALL), Some(true));
    assert_eq!(help(&ALL.replace("DRAIN_DELAY", "")), Some(false));
    assert_eq!(help(&ALL.replace(" PORT", " ADMIN_PORT")), Some(false));
}

#[test]
fn misspelt_and_shadowed_names_are_reported() {
    let judge = |id, line: &str| judge(id, &started([], &[line]));
    let record = |level: &str, text: &str| {
        format!(r#"{{"levelname":"{level}","message":"a","names":[{text}]}}"#)
    };
    let both = r#""READ_TIMEOT","READ_TIMEOUT""#;
    assert_eq!(judge("CFG-4:nearest", &record("WARNING", both)), Some(true));
    assert_eq!(judge("CFG-4:nearest", &record("INFO", both)), Some(false));
    let one = r#""READ_TIMEOT""#;
    assert_eq!(judge("CFG-4:nearest", &record("WARNING", one)), Some(false));
    let both = r#""GUNICORN_TIMEOUT","DJANGO_SECRET_KEY""#;
    assert_eq!(judge("CFG-7:shadowed", &record("INFO", both)), Some(true));
    let one = r#""GUNICORN_TIMEOUT""#;
    assert_eq!(judge("CFG-7:shadowed", &record("INFO", one)), Some(false));
}

#[test]
fn profile_of_the_django_service_starts() {
    let judge = |result| {
        judge_runs(
            "CFG-1:profile",
            [CommandRun {
                result,
                ..ran("profile", 0, "", "")
            }],
        )
    };
    assert_eq!(judge(Start::Ready(Duration::ZERO)), Some(true));
    assert_eq!(judge(Start::Ended(ended(Some(78)))), Some(false));
    let listens_on = Vec::new();
    assert_eq!(judge(Start::Silent { listens_on }), None);
}

#[test]
fn wrong_values_of_aliases_are_rejected() {
    const LAST: &str = "GUNICORN_GRACEFUL_TIMEOUT";
    let run = |name, code| ran(name, code, "", &format!("{name} is wrong"));
    let judge = |last| {
        let runs = [
            run("GUNICORN_TIMEOUT", 1),
            run("GUNICORN_KEEPALIVE", 1),
            last,
        ];
        judge_runs("CFG-7:alias", runs)
    };
    assert_eq!(judge(run(LAST, 78)), Some(true));
    assert_eq!(judge(run(LAST, 0)), Some(false));
}

#[test]
fn secrets_are_found_wherever_they_are_shown() {
    use crate::verify::scenario::{ADMIN_TOKEN, OTHER_SECRET_KEY, SECRET_KEY};
    let evidence = |body: &str, header: &str, line: &str, output: &str| {
        let answer = response(200, &[("x-a", header)], body);
        Evidence {
            runs: vec![ran("report", 0, "", output)],
            ..started([exchange("page", answer)], &[line])
        }
    };
    let judge = |evidence| judge("CFG-5:shown", &evidence);
    assert_eq!(judge(evidence("a", "b", "c", "d")), Some(true));
    assert_eq!(judge(evidence(SECRET_KEY, "b", "c", "d")), Some(false));
    assert_eq!(judge(evidence("a", ADMIN_TOKEN, "c", "d")), Some(false));
    let line = format!("key={OTHER_SECRET_KEY}");
    assert_eq!(judge(evidence("a", "b", &line, "d")), Some(false));
    assert_eq!(judge(evidence("a", "b", "c", SECRET_KEY)), Some(false));
    assert_eq!(judge(started([], &[])), None);
}

#[test]
fn files_of_secrets_are_regular() {
    let judge = |id, run| judge_runs(id, [run]);
    for (id, name, text) in [
        ("CFG-5:file", "file", "no file /a/missing-secret"),
        ("CFG-10:device", "device", "/dev/null is a device"),
        ("CFG-10:pipe", "pipe", "SECRET_KEY_FILE: a pipe"),
    ] {
        assert_eq!(judge(id, ran(name, 1, "", text)), Some(true));
        assert_eq!(judge(id, ran(name, 1, "", "wrong")), Some(false));
        assert_eq!(judge(id, ran(name, 0, "", text)), Some(false));
    }
    let waiting = || CommandRun {
        result: Start::Silent {
            listens_on: Vec::new(),
        },
        ..ran("pipe", 0, "", "")
    };
    assert_eq!(judge("CFG-10:pipe", waiting()), Some(false));
    let slow = Evidence {
        start: Some(Start::Ready(Duration::from_secs(9))),
        runs: vec![waiting()],
        ..Evidence::default()
    };
    assert_eq!(super::judge("CFG-10:pipe", &slow), None);
}
