//! Starts that fail after the configuration was read.

use std::net::TcpListener;
use std::path::Path;

use harness::{Process, eventually};

use crate::support::{fixture, ms, run, scratch_file, start};

/// CFG-3, CLI-3
#[test]
fn port_in_use_is_no_configuration_error() {
    let first = start(&[]);
    let port = first.addr().port().to_string();
    let ended = run(&[], &[("PORT", &port)]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.records_with("infra_app_ready").len(), 0);
    assert!((ended.stdout + &ended.stderr).contains(&port));
    assert_eq!(
        first.get("/hello").status,
        200,
        "the first one is not disturbed"
    );
}

/// Settings of one start.
type Environment<'a> = &'a [(&'a str, &'a str)];

/// CLI-3
#[test]
fn failed_start_logs_one_record_and_leaves_nothing_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port().to_string();
    let broken = scratch_file("catalogue-broken.pem", "no certificate");
    let certificate = [
        ("TLS_CERT_FILE", broken.as_str()),
        ("TLS_KEY_FILE", broken.as_str()),
    ];
    let cases: [(&str, Environment<'_>, i32); 5] = [
        ("a port that is taken", &[("PORT", &taken)], 1),
        ("a broken certificate", &certificate, 1),
        ("a set-up that fails", &[("SETUP_FAIL", "yes")], 1),
        ("a route that is taken", &[("ROUTE_CLASH", "/health")], 1),
        ("a wrong setting", &[("READ_TIMEOUT", "soon")], 78),
    ];
    for (what, env, code) in cases {
        let ended = run(&[], env);
        assert_eq!(ended.code, Some(code), "{what}: {}", ended.stderr);
        assert!(ended.took < ms(1000), "{what}: {:?}", ended.took);
        let records = ended.records();
        let errors: Vec<_> = records
            .iter()
            .filter(|record| ["ERROR", "CRITICAL"].contains(&record["levelname"].as_str().unwrap()))
            .collect();
        assert_eq!(errors.len(), 1, "{what}: {}", ended.stdout);
        assert!(ended.records_with("infra_app_ready").is_empty(), "{what}");
    }
    // The system releases a port; only its owner removes the file of a unix socket.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("catalogue-failed");
    std::fs::create_dir_all(&folder).unwrap();
    let paths = ["main.sock", "admin.sock"].map(|name| folder.join(name));
    let [main, admin] = paths
        .each_ref()
        .map(|path| format!("unix:{}", path.display()));
    let env = [
        ("SETUP_FAIL", "yes"),
        ("HOST", &*main),
        ("ADMIN_ADDR", &*admin),
    ];
    assert_eq!(run(&[], &env).code, Some(1));
    assert!(!paths.iter().any(|path| path.exists()), "{paths:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// The second service is rejected at any moment of the first one's start.
#[test]
fn unix_socket_of_a_starting_service_is_not_replaced() {
    let path = scratch_file("socket", "");
    std::fs::remove_file(&path).unwrap();
    let host = format!("unix:{path}");
    let first = Process::spawn(fixture(), &[("HOST", &host), ("SETUP_MS", "800")]);
    eventually("the first has bound it", || {
        std::fs::exists(&path).unwrap().then_some(())
    });
    let second = run(&[], &[("HOST", &host)]);
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    first.wait_until_ready();
    assert_eq!(first.get("/hello").status, 200);
    assert_eq!(first.terminate().code, Some(0));
    assert!(!std::fs::exists(&path).unwrap());
    std::fs::remove_file(format!("{path}.lock")).unwrap();
}
