//! The form of a record: one JSON object a line, with the same leading fields.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::{Process, access_record, field_names, request};
use serde_json::Value;

use super::{ACCESS, LEADING, assert_well_formed, milliseconds_since_epoch, raw_request};
use crate::support::{END, fixture, require_or_skip, run, spawn, start};

/// LOG-1, LOG-8
#[test]
fn hostile_bytes_cannot_break_lines_or_forge_fields() {
    let service = start(&[]);
    let forged = br#"","levelname":"CRITICAL","x":""#;
    let hostile: [&[u8]; 14] = [
        forged,
        br#"\","message":"forged"#,
        b"\\",
        b"\"",
        b"tab\there",
        b"\x1b[31mred\x1b[0m",
        b"\x00\x01\x02",
        b"\x7f",
        b"\xff\xfe\xfd",
        b"\xc3",
        b"\xed\xa0\x80",
        "\u{2028}\u{2029}\u{85}".as_bytes(),
        "\u{202e}\u{feff}".as_bytes(),
        b"%0A%0D%00{}[]:,",
    ];
    for bytes in hostile {
        raw_request(&service, b"/hello", bytes);
        raw_request(&service, &[b"/", bytes].concat(), b"agent");
        raw_request(&service, &[b"/hello?q=", bytes].concat(), b"agent");
        let head = [
            b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Request-ID: ",
            bytes,
            b"\r\n\r\n",
        ]
        .concat();
        let mut connection = service.connect();
        connection.send(head);
        drop(connection.read_to_end());
    }
    let ended = service.terminate();
    for line in ended.stdout.lines() {
        assert_well_formed(line, service.pid());
        let record: Value = serde_json::from_str(line).unwrap();
        assert_ne!(record["levelname"], "CRITICAL", "{line}");
        assert_ne!(record["message"], "forged", "{line}");
        let known = LEADING
            .iter()
            .chain(&ACCESS)
            .copied()
            .chain(["requestIdReplaced", "protocolError"]);
        if record["message"] == "http_request" {
            let known: Vec<&str> = known.collect();
            let unknown = field_names(line)
                .into_iter()
                .find(|name| !known.contains(name));
            assert_eq!(unknown, None, "{line}");
        }
    }
    // A header value that every HTTP server accepts must be logged unchanged.
    let forged = String::from_utf8_lossy(forged);
    assert!(
        ended
            .records()
            .iter()
            .any(|record| record["userAgent"] == *forged)
    );
}

/// LOG-1
#[test]
fn standard_output_contains_only_records() {
    let service = start(&[("LOG_LEVEL", "DEBUG"), ("REQUEST_TIMEOUT", "300ms")]);
    for path in [
        "/hello",
        "/log",
        "/log/debug",
        "/panic",
        "/hang",
        "/spawn-panic",
        "/nowhere",
    ] {
        drop(service.get(path));
    }
    raw_request(&service, b"/panic-body", b"agent");
    let ended = service.terminate();
    assert!(ended.stdout.ends_with('\n'));
    for line in ended.stdout.lines() {
        assert_well_formed(line, service.pid());
    }
}

/// LOG-2
#[test]
fn records_begin_with_the_same_fields() {
    let service = start(&[]);
    assert_eq!(service.get("/log").text(), "logged\n");
    drop(service.get("/panic"));
    let ended = service.terminate();
    let seen: Vec<Value> = ended.records();
    for message in [
        "infra_app_ready",
        "fixture_event",
        "http_request",
        "panic",
        "shutdown_complete",
    ] {
        assert!(
            seen.iter().any(|record| record["message"] == message),
            "{message}"
        );
    }
    for line in ended.stdout.lines() {
        assert_eq!(field_names(line)[..LEADING.len()], LEADING, "{line}");
    }
}

/// LOG-2
#[test]
fn times_are_utc_with_milliseconds_after_a_comma() {
    let service = start(&[("TZ", "Asia/Tokyo")]);
    let before = SystemTime::now();
    drop(service.get("/hello"));
    let record = access_record(&service, "/hello");
    let text = record["asctime"].as_str().unwrap();
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000-00-00 00:00:00,000", "{text}");
    let logged = UNIX_EPOCH + Duration::from_millis(milliseconds_since_epoch(text));
    // The time is of this minute in UTC, in any time zone of the machine or the process.
    let distance = match logged.duration_since(before) {
        Ok(later) => later,
        Err(earlier) => earlier.duration(),
    };
    assert!(
        distance < Duration::from_secs(60),
        "{text} is {distance:?} away"
    );
}

/// LOG-2
#[test]
fn levels_have_the_names_of_the_contract() {
    let service = start(&[("LOG_LEVEL", "DEBUG")]);
    for (path, level) in [
        ("/log/debug", "DEBUG"),
        ("/log", "INFO"),
        ("/log/warn", "WARNING"),
        ("/log/error", "ERROR"),
    ] {
        let id = format!("X-Request-ID: {level}\r\n");
        assert_eq!(service.request(request("GET", path, &id)).status, 200);
        let record = service.wait_for_record(|record| {
            record["message"] == "fixture_event" && record["request_id"] == level
        });
        assert_eq!(record["levelname"], level, "{path}");
    }
}

/// LOG-7
#[test]
fn readiness_is_logged_once_by_infra() {
    let service = start(&[]);
    // After the record a client can connect at once.
    assert_eq!(service.get("/ready").status, 200);
    let ended = service.terminate();
    let ready = ended.records_with("infra_app_ready");
    assert_eq!(ready.len(), 1);
    assert_eq!(ready[0]["name"], "infra");
    assert_eq!(ready[0]["levelname"], "INFO");
}

/// LOG-7
#[test]
fn first_and_last_record_are_written_at_any_level() {
    let service = start(&[("LOG_LEVEL", "CRITICAL")]);
    for path in ["/hello", "/log/error", "/panic", "/no/such/path"] {
        drop(service.get(path));
    }
    let ended = service.terminate();
    let messages: Vec<Value> = ended
        .records()
        .iter()
        .map(|record| record["message"].clone())
        .collect();
    assert_eq!(messages, ["infra_app_ready", "shutdown_complete"]);
}

/// LOG-10
#[test]
fn pretty_format_is_readable_text() {
    let service = spawn(&[("LOG_FORMAT", "pretty")]);
    let ready = service.wait_for_line(|line| line.contains("infra_app_ready"));
    assert!(serde_json::from_str::<Value>(&ready).is_err(), "{ready}");
    assert!(ready.contains("INFO"), "{ready}");
    assert_eq!(service.get("/hello").status, 200);
    let access = service.wait_for_line(|line| line.contains("/hello"));
    assert!(access.contains("200"), "{access}");
}

/// LOG-10
#[test]
fn records_stay_json_in_debug_mode_on_a_pipe() {
    let service = start(&[("DEBUG", "true")]);
    assert_eq!(service.get("/hello").status, 200);
    let ended = service.terminate();
    assert!(ended.records().len() >= 3);
}

/// LOG-10
#[test]
fn format_is_pretty_only_in_debug_mode_on_a_terminal() {
    if !require_or_skip("script") {
        return;
    }
    #[track_caller]
    fn check(env: &[(&str, &str)], expected: &str) {
        let fixture = fixture();
        let command = format!("{} --check-config", fixture.display());
        let mut env = env.to_vec();
        env.push(("SHELL", "/bin/sh"));
        // `script` runs the command on a new terminal.
        let ended = Process::spawn_with("script", &["-q", "-e", "-c", &command, "/dev/null"], &env)
            .wait(END);
        let line = ended
            .stdout
            .lines()
            .find(|line| line.starts_with("LOG_FORMAT"));
        let line = line.unwrap_or_else(|| panic!("no LOG_FORMAT: {}", ended.stdout));
        assert!(line.replace(' ', "").starts_with(expected), "{line}");
    }
    check(&[("DEBUG", "true")], "LOG_FORMAT=pretty");
    check(&[("DEBUG", "false")], "LOG_FORMAT=json");
    check(
        &[("DEBUG", "true"), ("LOG_FORMAT", "json")],
        "LOG_FORMAT=json",
    );
    let piped = run(&["--check-config"], &[("DEBUG", "true")]);
    let line = piped
        .stdout
        .lines()
        .find(|line| line.starts_with("LOG_FORMAT"))
        .unwrap();
    assert!(
        line.replace(' ', "").starts_with("LOG_FORMAT=json"),
        "{line}"
    );
}
