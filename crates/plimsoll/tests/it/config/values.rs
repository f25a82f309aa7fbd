//! Forms of values: durations, sizes, booleans, ports and addresses.

use serde_json::Value;

use super::{assert_rejected, check_config, duration};
use crate::support::{ms, post, spawn, start};

/// CFG-2, CFG-6
#[test]
fn durations_are_accepted_in_all_forms() {
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
        // The printed form is accepted as input.
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
fn other_texts_are_rejected_as_durations() {
    for text in [
        "0", "0s", "0ms", "-1s", "+1s", "soon", "5 s", "1e3", "s", "5x", "1s2", "inf", ".",
    ] {
        assert_rejected("READ_TIMEOUT", text);
    }
}

/// CFG-2
#[test]
fn zero_is_accepted_where_it_means_off() {
    for name in ["REQUEST_TIMEOUT", "DRAIN_DELAY"] {
        let settings = check_config(&[], &[(name, "0")]);
        let zero = ("0s".to_owned(), "environment".to_owned());
        assert_eq!(settings[name], zero, "{name}");
    }
    for name in [
        "READ_TIMEOUT",
        "IDLE_TIMEOUT",
        "WRITE_TIMEOUT",
        "SHUTDOWN_TIMEOUT",
    ] {
        assert_rejected(name, "0");
    }
}

/// CFG-2
#[test]
fn ports_are_from_1_to_65535() {
    for port in ["1", "65535"] {
        assert_eq!(check_config(&[], &[("PORT", port)])["PORT"].0, port);
    }
    for port in ["0", "65536", "-1", "http", "80.0", "8080 9090"] {
        assert_rejected("PORT", port);
    }
}

/// CFG-2
#[test]
fn booleans_are_accepted_in_all_forms() {
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
        assert_rejected("DEBUG", text);
    }
}

/// CFG-2
#[test]
fn sizes_are_accepted_in_all_forms() {
    // A body one byte over the limit shows the limit in effect.
    for (text, bytes) in [("1500", 1500), ("1KiB", 1024), ("1MiB", 1024 * 1024)] {
        let service = start(&[("MAX_BODY_BYTES", text)]);
        let post = |length: usize| post("/upload", &"x".repeat(length));
        assert_eq!(service.request(post(bytes)).status, 200, "{text}");
        assert_eq!(service.request(post(bytes + 1)).status, 413, "{text}");
    }
    for (text, printed) in [("2097152", "2MiB"), ("512KiB", "512KiB"), ("1500", "1500")] {
        let settings = check_config(&[], &[("MAX_BODY_BYTES", text)]);
        assert_eq!(settings["MAX_BODY_BYTES"].0, printed, "{text}");
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
        assert_rejected("MAX_BODY_BYTES", text);
    }
}

/// CFG-2
#[test]
fn empty_value_is_unset() {
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
    assert_rejected("POOL_SIZE", "101");
    assert_rejected("POOL_SIZE", "many");
}

/// CFG-2
#[test]
fn debug_mode_is_a_warning_at_start() {
    let ended = start(&[("DEBUG", "true")]).terminate();
    let warnings = ended.records_with("debug_enabled");
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0]["levelname"], "WARNING");
    let quiet = start(&[]).terminate();
    assert_eq!(quiet.records_with("debug_enabled"), Vec::<Value>::new());
}

/// CFG-2
#[test]
fn addresses_are_accepted_in_all_forms() {
    for host in ["127.0.0.1", "0.0.0.0", "::", "::1", "[::1]"] {
        let process = spawn(&[("HOST", host)]);
        process.wait_until_ready();
        assert_eq!(process.get("/hello").status, 200, "{host}");
    }
    for host in ["localhost", "example.org", "1.2.3", "unix:"] {
        assert_rejected("HOST", host);
    }
}
