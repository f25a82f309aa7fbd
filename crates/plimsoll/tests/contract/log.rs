//! LOG: structured records on standard output.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::{Connection, Process, Signal, eventually, field_names, timed};
use serde_json::{Value, json};

use crate::support::{
    BUILD_TIME, END, SERVICE, VERSION, access_line, access_record, pipeline, post, request,
    require_or_skip, run, spawn, start,
};

/// What every record begins with.
const LEADING: [&str; 7] = [
    "asctime",
    "levelname",
    "name",
    "process",
    "threadName",
    "message",
    "request_id",
];

/// What an access record goes on with.
const ACCESS: [&str; 11] = [
    "service",
    "version",
    "buildTime",
    "status",
    "method",
    "path",
    "rawPath",
    "query",
    "ip",
    "latencyMs",
    "userAgent",
];

/// What a record can hold at most, with its line end.
const LONGEST_LINE: usize = 16 * 1024;

/// Checks what holds for every line of every log.
#[track_caller]
fn assert_well_formed(line: &str, pid: u32) {
    let record: Value = serde_json::from_str(line).expect("every line is JSON");
    let names = field_names(line);
    assert_eq!(names[..LEADING.len()], LEADING, "{line}");
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "a field comes twice: {line}");
    let levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
    assert!(
        levels.iter().any(|level| record["levelname"] == *level),
        "{line}"
    );
    assert_eq!(record["process"], pid, "{line}");
    for name in ["asctime", "name", "threadName", "message", "request_id"] {
        assert!(
            record[name].as_str().is_some_and(|text| !text.is_empty()),
            "{name}: {line}"
        );
    }
    assert!(
        !line.bytes().any(|byte| byte < 0x20 || byte == 0x7f),
        "{line:?}"
    );
    assert!(line.len() < LONGEST_LINE, "{} bytes", line.len());
}

/// One request with a raw target and a raw `User-Agent`; whatever the answer is, it is read to the
/// end.
fn raw_request(service: &Process, target: &[u8], user_agent: &[u8]) {
    let mut raw = b"GET ".to_vec();
    raw.extend_from_slice(target);
    raw.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: ");
    raw.extend_from_slice(user_agent);
    raw.extend_from_slice(b"\r\n\r\n");
    let mut connection = service.connect();
    connection.send(raw);
    drop(connection.read_to_end());
}

/// LOG-1, LOG-8
#[test]
fn hostile_bytes_neither_break_a_line_nor_forge_a_field() {
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
    // The header value that every HTTP server accepts must have come through, whole.
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
fn standard_output_carries_nothing_but_records() {
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
fn every_record_begins_with_the_same_fields() {
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
    // The record is of this minute, in UTC, whatever the zone of the machine or the process.
    let distance = match logged.duration_since(before) {
        Ok(later) => later,
        Err(earlier) => earlier.duration(),
    };
    assert!(
        distance < Duration::from_secs(60),
        "{text} is {distance:?} away"
    );
}

/// The instant that `2025-12-19 09:19:45,026` names in UTC.
fn milliseconds_since_epoch(text: &str) -> u64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<u64>().expect("digits");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let is_leap = |year: u64| {
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
    };
    let mut days = day - 1;
    for year in 1970..year {
        days += if is_leap(year) { 366 } else { 365 };
    }
    for month in 1..month {
        days += match month {
            2 if is_leap(year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
    }
    let seconds = ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19);
    seconds * 1000 + number(20..23)
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

/// LOG-2
#[test]
fn events_below_the_level_are_not_written() {
    // One worker: records of different threads have no order among them.
    let service = start(&[("LOG_LEVEL", "WARNING"), ("WORKERS", "1")]);
    for path in ["/log/debug", "/log", "/log/warn", "/log/error"] {
        assert_eq!(service.get(path).status, 200);
    }
    let ended = service.terminate();
    let levels: Vec<Value> = ended
        .records_with("fixture_event")
        .iter()
        .map(|record| record["levelname"].clone())
        .collect();
    assert_eq!(levels, ["WARNING", "ERROR"]);
    // The successes among the access records are INFO.
    assert_eq!(ended.records_with("http_request").len(), 0);
}

/// LOG-2
#[test]
fn fields_of_an_event_are_true_json_values() {
    let service = start(&[]);
    assert_eq!(service.get("/log").status, 200);
    let record = service.wait_for_record(|record| record["message"] == "fixture_event");
    assert_eq!(record["name"], "fixture");
    assert_eq!(record["answer"], 42);
    assert_eq!(record["ratio"], 0.5);
    assert_eq!(record["ok"], true);
    assert_eq!(record["text"], "a\"b\nc");
}

/// LOG-3
#[test]
fn an_event_field_with_the_name_of_a_leading_field_gets_an_underscore() {
    let service = start(&[]);
    assert_eq!(service.get("/log").status, 200);
    let record = service.wait_for_record(|record| record["message"] == "fixture_event");
    assert_eq!(record["name_"], "n");
    assert_eq!(record["process_"], 1);
    assert_eq!(record["name"], "fixture");
    assert_eq!(record["process"], service.pid());
}

/// LOG-2, LOG-3
#[test]
fn an_event_has_the_fields_of_the_spans_it_is_in() {
    let service = start(&[]);
    assert_eq!(service.get("/span/acme").status, 200);
    #[track_caller]
    fn check(service: &Process, message: &str, expected: &Value) {
        let line = service.wait_for_line(|line| line.contains(&format!("\"{message}\"")));
        assert_well_formed(&line, service.pid());
        let record: Value = serde_json::from_str(&line).unwrap();
        let names = &field_names(&line)[LEADING.len()..];
        let own: serde_json::Map<_, _> = names
            .iter()
            .map(|name| ((*name).to_owned(), record[name].clone()))
            .collect();
        assert_eq!(Value::Object(own), *expected, "{line}");
    }
    check(
        &service,
        "span_began",
        &json!({"tenant": "acme", "name_": "n"}),
    );
    let step = json!({"attempt": 2, "name_": "n", "tenant": "nearer"});
    check(&service, "span_step", &step);
    // A value may log while it is told; so it did before the span had it, and once more after.
    check(
        &service,
        "span_talks",
        &json!({"tenant": "acme", "name_": "n"}),
    );
    let ended = json!({"said": "talks", "tenant": "acme", "name_": "n", "rows": "talks"});
    check(&service, "span_ended", &ended);
    // The records of the request itself are as they were.
    let line = access_line(&service, "/span/acme");
    let expected: Vec<&str> = LEADING.iter().chain(&ACCESS).copied().collect();
    assert_eq!(field_names(&line), expected);
}

/// LOG-2: the event is of INFO, its spans are of INFO, of DEBUG, and of another target.
#[test]
fn spans_below_the_level_add_nothing() {
    #[track_caller]
    fn check(levels: &str, expected: &[&str]) {
        let service = start(&[("LOG_LEVEL", levels)]);
        assert_eq!(service.get("/span-levels").status, 200);
        let record = service.wait_for_record(|record| record["message"] == "span_levels");
        let mut there = vec!["coarse", "fine", "other"];
        there.retain(|name| !record[*name].is_null());
        assert_eq!(there, expected, "{levels}: {record}");
    }
    check("INFO", &["coarse", "other"]);
    check("INFO,fixture=DEBUG", &["coarse", "fine", "other"]);
    check("WARNING,fixture=INFO", &["coarse"]);
    check("INFO,other=ERROR", &["coarse"]);
}

/// LOG-3
#[test]
fn an_access_record_has_its_fields_in_order() {
    let service = start(&[]);
    let agent = "User-Agent: Mozilla/5.0 (X11)\r\nX-Request-ID: demo-123\r\n";
    assert_eq!(
        service
            .request(request("GET", "/items/7?a=1&b=%20x", agent))
            .status,
        200
    );
    let line = access_line(&service, "/items/7");
    let expected: Vec<&str> = LEADING.iter().chain(&ACCESS).copied().collect();
    assert_eq!(field_names(&line), expected);
    let record: Value = serde_json::from_str(&line).unwrap();
    for (name, value) in [
        ("levelname", "INFO"),
        ("name", "http"),
        ("message", "http_request"),
        ("request_id", "demo-123"),
        ("service", SERVICE),
        ("version", VERSION),
        ("buildTime", BUILD_TIME),
        ("method", "GET"),
        ("path", "/items/{id}"),
        ("rawPath", "/items/7"),
        ("query", "a=1&b=%20x"),
        ("ip", "127.0.0.1"),
        ("userAgent", "Mozilla/5.0 (X11)"),
    ] {
        assert_eq!(record[name], value, "{name}");
    }
    assert_eq!(record["status"], 200);
    assert!(record["latencyMs"].is_number());
}

/// LOG-3
#[test]
fn a_request_without_agent_and_query_has_empty_fields() {
    let service = start(&[]);
    assert_eq!(service.get("/hello").status, 200);
    let record = access_record(&service, "/hello");
    assert_eq!(record["query"], "");
    assert_eq!(record["userAgent"], "");
}

/// LOG-3
#[test]
fn an_unknown_path_is_logged_as_unmatched() {
    let service = start(&[]);
    assert_eq!(service.get("/no/such/path").status, 404);
    assert_eq!(
        access_record(&service, "/no/such/path")["path"],
        "__unmatched__"
    );
}

/// LOG-3
#[test]
fn latency_is_in_milliseconds_with_three_decimals_at_most() {
    let service = start(&[]);
    for _ in 0..20 {
        assert_eq!(service.get("/hello").status, 200);
    }
    assert_eq!(service.get("/slow?ms=120").status, 200);
    let slow = access_record(&service, "/slow")["latencyMs"]
        .as_f64()
        .unwrap();
    assert!((120.0..10_000.0).contains(&slow), "{slow}");
    let ended = service.terminate();
    for line in ended
        .stdout
        .lines()
        .filter(|line| line.contains("\"latencyMs\""))
    {
        let line = line.replace("\": ", "\":");
        let (_, after) = line.split_once("\"latencyMs\":").unwrap();
        let number: String = after
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        let decimals = number
            .split_once('.')
            .map_or(0, |(_, decimals)| decimals.len());
        assert!(!number.is_empty() && decimals <= 3, "{line}");
        let next = after[number.len()..].chars().next();
        assert!(matches!(next, Some(',' | '}')), "{line}");
    }
}

/// LOG-3
#[test]
fn secrets_in_a_query_are_masked() {
    let service = start(&[("REDACT_QUERY", "code, state")]);
    for (index, (query, logged)) in [
        ("token=abc", "token=***"),
        ("a=1&access_token=abc&b=2", "a=1&access_token=***&b=2"),
        ("api_key=abc&api_key=def", "api_key=***&api_key=***"),
        ("password=a%26b", "password=***"),
        ("secret=&x=1", "secret=***&x=1"),
        ("signature=a=b=c", "signature=***"),
        ("tokens=abc&my_token=abc", "tokens=abc&my_token=abc"),
        ("x=token&token", "x=token&token"),
        ("a=1;token=abc", "a=1;token=***"),
        (
            "token[]=abc&user[password]=x",
            "token[]=***&user[password]=***",
        ),
        (
            "client_secret=a&refresh_token=b&id_token=c",
            "client_secret=***&refresh_token=***&id_token=***",
        ),
        (
            "apikey=a&X-Amz-Signature=b&sig=c",
            "apikey=***&X-Amz-Signature=***&sig=***",
        ),
        ("code=a", "code=***"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(service.get(&format!("/items/{index}?{query}")).status, 200);
        let record = access_record(&service, &format!("/items/{index}"));
        assert_eq!(record["query"], logged, "{query}");
    }
}

/// LOG-4
#[test]
fn the_status_decides_the_level_of_an_access_record() {
    let service = start(&[]);
    for (path, level) in [
        ("/hello", "INFO"),
        ("/no/such/path", "WARNING"),
        ("/missing", "WARNING"),
        ("/error", "ERROR"),
        ("/panic", "ERROR"),
    ] {
        drop(service.get(path));
        assert_eq!(access_record(&service, path)["levelname"], level, "{path}");
    }
}

/// LOG-5, MET-1
#[test]
fn probes_are_counted_but_not_logged() {
    let paths = [
        "/health",
        "/ready",
        "/livez",
        "/readyz",
        "/healthz",
        "/startupz",
        "/metrics",
    ];
    let service = start(&[("LOG_LEVEL", "DEBUG")]);
    for path in paths {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    for path in paths {
        eventually("the probe is counted", || {
            let labels = [("path", path), ("method", "GET"), ("status", "200")];
            (service.metrics().sum("http_requests_total", &labels) >= 1.0).then_some(())
        });
    }
    let ended = service.terminate();
    assert_eq!(ended.records_with("http_request"), Vec::<Value>::new());
}

/// LOG-6
#[test]
fn an_access_record_is_the_only_record_of_an_unknown_path() {
    let service = start(&[]);
    let id = "X-Request-ID: lost\r\n";
    assert_eq!(
        service.request(request("GET", "/no/such/path", id)).status,
        404
    );
    let ended = service.terminate();
    let records = ended.records();
    let of_request: Vec<&Value> = records
        .iter()
        .filter(|record| record["request_id"] == "lost")
        .collect();
    assert_eq!(of_request.len(), 1, "{of_request:?}");
    assert_eq!(of_request[0]["message"], "http_request");
}

/// LOG-6
#[test]
fn limits_that_end_a_request_give_no_second_record() {
    let service = start(&[("READ_TIMEOUT", "300ms"), ("REQUEST_TIMEOUT", "1s")]);
    for (status, raw) in [
        (
            408,
            request(
                "POST",
                "/upload",
                "X-Request-ID: 408\r\nContent-Length: 9\r\n",
            ),
        ),
        (503, request("GET", "/hang", "X-Request-ID: 503\r\n")),
        (
            413,
            request(
                "POST",
                "/limited/upload",
                "X-Request-ID: 413\r\nContent-Length: 2000\r\n",
            ),
        ),
    ] {
        let mut connection = service.connect();
        connection.send(raw);
        assert_eq!(connection.read().status, status);
    }
    let ended = service.terminate();
    let records = ended.records();
    for status in [408, 413, 503] {
        let id = status.to_string();
        let of_request: Vec<&Value> = records
            .iter()
            .filter(|record| record["request_id"] == id.as_str())
            .collect();
        assert_eq!(of_request.len(), 1, "{of_request:?}");
        assert_eq!(of_request[0]["status"], status);
    }
}

/// LOG-7
#[test]
fn readiness_is_announced_once_by_infra() {
    let service = start(&[]);
    // Who reads the record can connect at once.
    assert_eq!(service.get("/ready").status, 200);
    let ended = service.terminate();
    let ready = ended.records_with("infra_app_ready");
    assert_eq!(ready.len(), 1);
    assert_eq!(ready[0]["name"], "infra");
    assert_eq!(ready[0]["levelname"], "INFO");
}

/// LOG-7
#[test]
fn the_first_and_the_last_record_are_written_at_any_level() {
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

/// LOG-8
#[test]
fn invalid_utf_8_is_replaced() {
    let service = start(&[]);
    raw_request(&service, b"/hello", b"a\xff\xc3b");
    assert_eq!(
        access_record(&service, "/hello")["userAgent"],
        "a\u{fffd}\u{fffd}b"
    );
}

/// LOG-8
#[test]
fn characters_beyond_ascii_are_written_as_they_are() {
    let service = start(&[]);
    raw_request(
        &service,
        b"/hello",
        "caf\u{e9} \u{1f6a2} \u{65e5}".as_bytes(),
    );
    let line = access_line(&service, "/hello");
    assert!(line.contains("caf\u{e9} \u{1f6a2} \u{65e5}"), "{line}");
}

/// LOG-8
#[test]
fn control_characters_are_escaped() {
    let service = start(&[]);
    raw_request(&service, b"/hello", b"a\tb");
    let line = access_line(&service, "/hello");
    assert!(!line.contains('\t'), "{line:?}");
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(record["userAgent"], "a\tb");
}

/// Checks that a logged text is the beginning of what was sent, cut as close to `limit` as its
/// characters allow.
#[track_caller]
fn assert_cut(logged: &Value, sent: &str, limit: usize) {
    let logged = logged.as_str().expect("texts are logged as text");
    let kept = logged
        .strip_suffix('\u{2026}')
        .expect("a text that was cut ends in \u{2026}");
    assert!(sent.starts_with(kept), "{logged}");
    // The mark may or may not be part of the limit, and a character is never cut in two.
    let least = limit - '\u{2026}'.len_utf8() - 3;
    assert!(
        (least..=limit).contains(&kept.len()),
        "{} bytes of {limit}",
        kept.len()
    );
}

/// LOG-8
#[test]
fn long_texts_are_cut_at_their_limits() {
    let service = start(&[]);
    let path = format!("/{}", "p".repeat(3000));
    let query = "q".repeat(3000);
    let agent = "u".repeat(3000);
    raw_request(
        &service,
        format!("{path}?{query}").as_bytes(),
        agent.as_bytes(),
    );
    let record = service.wait_for_record(|record| record["message"] == "http_request");
    assert_cut(&record["rawPath"], &path, 1024);
    assert_cut(&record["query"], &query, 1024);
    assert_cut(&record["userAgent"], &agent, 1024);
}

/// LOG-8
#[test]
fn texts_at_their_limits_are_whole() {
    let service = start(&[]);
    let path = format!("/{}", "p".repeat(1023));
    let query = "q".repeat(1024);
    let agent = "u".repeat(1024);
    raw_request(
        &service,
        format!("{path}?{query}").as_bytes(),
        agent.as_bytes(),
    );
    let record = access_record(&service, &path);
    assert_eq!(record["query"], query);
    assert_eq!(record["userAgent"], agent);
}

/// LOG-8
#[test]
fn a_text_is_cut_between_characters() {
    let service = start(&[]);
    for shift in 0..4 {
        let agent = format!("{}{}", "a".repeat(shift), "\u{1f6a2}".repeat(300));
        let path = format!("/items/{shift}");
        raw_request(&service, path.as_bytes(), agent.as_bytes());
        assert_cut(&access_record(&service, &path)["userAgent"], &agent, 1024);
    }
}

/// LOG-8
#[test]
fn a_long_method_is_cut() {
    let service = start(&[]);
    let method = "M".repeat(40);
    assert_eq!(service.request(request(&method, "/hello", "")).status, 405);
    assert_cut(&access_record(&service, "/hello")["method"], &method, 32);
}

/// LOG-8
#[test]
fn no_line_is_longer_than_16_kib() {
    let service = start(&[]);
    // Quotes and tabs take two bytes each when escaped, and bytes that are no UTF-8 three when
    // replaced.
    for filler in [&b"\""[..], b"\t", b"\xff", b"\\", b"\x7f"] {
        let path = [b"/", b"\\".repeat(3000).as_slice()].concat();
        let query = b"\\".repeat(3000);
        raw_request(
            &service,
            &[&path, b"?".as_slice(), &query].concat(),
            &filler.repeat(20_000),
        );
    }
    assert_eq!(service.get("/log").status, 200);
    let ended = service.terminate();
    for line in ended.stdout.lines() {
        assert_well_formed(line, service.pid());
    }
}

/// LOG-9
#[test]
fn a_request_ends_with_the_last_byte_of_its_answer() {
    let service = start(&[]);
    let answer = service.get("/stream?chunks=5&ms=100");
    assert_eq!(answer.body.len(), 5 * 1024);
    let record = access_record(&service, "/stream");
    // Whether a pause comes before the first chunk or after the last is the fixture's affair.
    let latency = record["latencyMs"].as_f64().unwrap();
    assert!(latency >= 390.0, "{latency}");
    assert_eq!(record["status"], 200);
    assert_ne!(record["aborted"], true);
}

/// LOG-9, MET-1, MET-2
#[test]
fn a_client_that_goes_away_before_the_answer_is_a_499() {
    let service = start(&[]);
    let mut connection = service.connect();
    connection.send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_until_in_flight(&service, 1.0);
    drop(connection);
    let record = access_record(&service, "/hang");
    assert_eq!(record["status"], 499);
    assert_eq!(record["aborted"], true);
    assert_eq!(record["levelname"], "WARNING");
    let labels = [("path", "/hang"), ("method", "GET"), ("status", "499")];
    eventually("the 499 is counted", || {
        let metrics = service.metrics();
        let counted = metrics.sum("http_requests_total", &labels);
        let observed = metrics.sum("http_request_duration_seconds_count", &labels);
        (counted == 1.0 && observed == 1.0).then_some(())
    });
}

/// LOG-9
#[test]
fn a_client_that_goes_away_during_the_answer_leaves_the_status_that_was_sent() {
    let service = start(&[]);
    for (path, query) in [("/stream", "?chunks=1000&ms=20"), ("/sse", "")] {
        let mut connection = service.connect();
        connection.send(format!(
            "GET {path}{query} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        // Something of the answer has come.
        connection.wait_for_bytes();
        connection.reset();
        let record = access_record(&service, path);
        assert_eq!(record["status"], 200, "{path}");
        assert_eq!(record["aborted"], true, "{path}");
        assert_eq!(record["levelname"], "INFO", "{path}");
    }
}

/// LOG-9
#[test]
fn a_client_that_goes_away_during_its_upload_is_a_499() {
    let service = start(&[]);
    for path in ["/upload", "/upload-stream"] {
        let mut connection = service.connect();
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nten bytes!"
        ));
        wait_until_in_flight(&service, 1.0);
        connection.reset();
        let record = access_record(&service, path);
        assert_eq!(record["status"], 499, "{path}");
        assert_eq!(record["aborted"], true, "{path}");
        wait_until_in_flight(&service, 0.0);
    }
}

#[track_caller]
fn wait_until_in_flight(service: &Process, requests: f64) {
    eventually("the requests are in flight", || {
        let in_flight = service.metrics().value("http_requests_in_flight", &[]);
        (in_flight == Some(requests)).then_some(())
    });
}

/// LOG-10
#[test]
fn pretty_records_are_for_people() {
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
fn records_stay_json_when_debugging_into_a_pipe() {
    let service = start(&[("DEBUG", "true")]);
    assert_eq!(service.get("/hello").status, 200);
    let ended = service.terminate();
    assert!(ended.records().len() >= 3);
}

/// LOG-10
#[test]
fn the_format_is_pretty_by_default_only_when_debugging_on_a_terminal() {
    if !require_or_skip("script") {
        return;
    }
    #[track_caller]
    fn check(env: &[(&str, &str)], expected: &str) {
        let fixture = crate::support::fixture();
        let command = format!("{} --check-config", fixture.display());
        let mut env = env.to_vec();
        env.push(("SHELL", "/bin/sh"));
        // `script` runs the command on a terminal of its own.
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

/// A request whose access record takes some two kilobytes.
fn bulky(path: &str, number: usize) -> String {
    let filler = "f".repeat(1000);
    format!(
        "GET {path}?{number}-{filler} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {filler}\r\n\r\n"
    )
}

/// Sends bulky requests to a service whose log nobody reads until records are dropped; gives their
/// number.
#[track_caller]
fn fill_the_log(service: &Process, connection: &mut Connection, path: &str, status: u16) -> usize {
    const BATCH: usize = 500;
    const MOST: usize = 60_000;
    let mut sent = 0;
    while sent < MOST {
        pipeline(
            connection,
            BATCH,
            |index| bulky(path, sent + index),
            |answer| assert_eq!(answer.status, status),
        );
        sent += BATCH;
        let dropped = service.metrics().value("log_records_dropped_total", &[]);
        if dropped.expect("the counter is there") > 0.0 {
            return sent;
        }
    }
    panic!("no record was dropped after {MOST} requests that nobody read the records of");
}

/// LOG-11
#[test]
fn requests_are_answered_while_nobody_reads_the_log() {
    let service = start(&[]);
    service.pause_reading();
    let mut connection = service.connect();
    fill_the_log(&service, &mut connection, "/hello", 200);
    // Now that the buffer is full, every answer still comes at once.
    let (answer, took) = timed(|| service.get("/hello"));
    assert_eq!(answer.status, 200);
    assert!(took < Duration::from_secs(2), "{took:?}");
    for path in ["/health", "/ready", "/log", "/panic"] {
        let (_, took) = timed(|| service.get(path));
        assert!(took < Duration::from_secs(2), "{path}: {took:?}");
    }
}

/// LOG-11, LOG-12
#[test]
fn dropped_records_are_counted_exactly_and_announced() {
    let service = start(&[]);
    service.pause_reading();
    let mut connection = service.connect();
    let sent = fill_the_log(&service, &mut connection, "/hello", 200);
    service.resume_reading();
    let announcement = service.wait_for_record(|record| record["message"] == "log_records_dropped");
    assert_eq!(announcement["levelname"], "WARNING");
    assert_eq!(announcement["name"], "infra");
    let ended = service.terminate();
    let written = ended.records_with("http_request").len();
    let announced: u64 = ended
        .records_with("log_records_dropped")
        .iter()
        .map(|record| record["dropped"].as_u64().unwrap())
        .sum();
    assert!(announced > 0);
    assert_eq!(
        written + usize::try_from(announced).unwrap(),
        sent,
        "written + dropped = produced"
    );
    let report = ended.records_with("shutdown_complete");
    assert_eq!(report[0]["logRecordsDropped"], announced);
}

/// LOG-11
#[test]
fn warnings_outlive_access_records_of_any_level_when_room_is_short() {
    const EVENTS: usize = 10;
    // One worker, so that all records compete for the same room.
    let service = start(&[("WORKERS", "1")]);
    service.pause_reading();
    let mut connection = service.connect();
    // These access records are ERRORs themselves.
    fill_the_log(&service, &mut connection, "/error", 500);
    for _ in 0..EVENTS {
        for path in ["/log/warn", "/log/error"] {
            assert_eq!(connection.get(path).status, 200);
        }
    }
    service.resume_reading();
    let ended = service.terminate();
    for level in ["WARNING", "ERROR"] {
        let events = ended.records_with("fixture_event");
        let of_level = events
            .iter()
            .filter(|record| record["levelname"] == level)
            .count();
        assert_eq!(of_level, EVENTS, "{level}");
    }
}

/// LOG-11, LIFE-1
#[test]
fn the_end_does_not_wait_for_a_log_that_nobody_reads() {
    let service = start(&[("DRAIN_DELAY", "0"), ("SHUTDOWN_TIMEOUT", "1s")]);
    service.pause_reading();
    let mut connection = service.connect();
    fill_the_log(&service, &mut connection, "/hello", 200);
    service.signal(Signal::Term);
    let ((), took) = timed(|| {
        eventually("the service has ended", || {
            (!service.is_alive()).then_some(())
        });
    });
    // DRAIN_DELAY + SHUTDOWN_TIMEOUT + 3 s, and a second for the machine.
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// LOG-11
#[test]
fn nothing_is_written_to_standard_error_after_start() {
    let service = start(&[("REQUEST_TIMEOUT", "300ms")]);
    for path in ["/panic", "/spawn-panic", "/hang", "/error", "/log/error"] {
        drop(service.get(path));
    }
    raw_request(&service, b"/panic-body", b"agent");
    drop(service.request("NONSENSE\r\n\r\n"));
    let ended = service.terminate();
    assert_eq!(ended.stderr, "");
}

/// LOG-12
#[test]
fn with_a_reader_that_keeps_up_records_equal_answers() {
    const REQUESTS: usize = 2000;
    let service = start(&[("WORKERS", "2")]);
    let mut answered = 0;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let mut connection = service.connect();
                scope.spawn(move || {
                    let mut answers = 0;
                    pipeline(
                        &mut connection,
                        REQUESTS / 4,
                        |index| {
                            let path = ["/hello", "/items/1", "/nowhere", "/error"][index % 4];
                            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
                        },
                        |_| answers += 1,
                    );
                    answers
                })
            })
            .collect();
        for client in clients {
            answered += client.join().unwrap();
        }
    });
    let ended = service.terminate();
    assert_eq!(answered, REQUESTS);
    assert_eq!(ended.records_with("http_request").len(), REQUESTS);
    assert_eq!(ended.records_with("log_records_dropped").len(), 0);
    assert_eq!(
        ended.records_with("shutdown_complete")[0]["logRecordsDropped"],
        0
    );
}

/// LOG-12
#[test]
fn records_in_the_last_moment_are_not_lost() {
    let service = start(&[]);
    let mut connection = service.connect();
    pipeline(
        &mut connection,
        300,
        |_| "GET /log HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        |answer| assert_eq!(answer.status, 200),
    );
    // No pause between the last answer and the signal.
    let ended = service.terminate();
    assert_eq!(ended.records_with("http_request").len(), 300);
    assert_eq!(ended.records_with("fixture_event").len(), 300);
}

/// LOG-12, LIFE-6
#[test]
fn the_last_record_says_how_the_stop_went() {
    let service = start(&[]);
    assert_eq!(service.request(post("/upload", "abc")).text(), "3\n");
    let ended = service.terminate();
    let records = ended.records();
    let last = records.last().unwrap();
    assert_eq!(last["message"], "shutdown_complete");
    assert_eq!(last["name"], "infra");
    assert_eq!(last["levelname"], "INFO");
    assert_eq!(last["exitStatus"], 0);
}
