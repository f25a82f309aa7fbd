//! File descriptors: the limit, its default effect, and their exhaustion.

use harness::{Process, eventually};

use crate::support::{fixture, start};

/// SRV-6
#[test]
fn soft_limit_of_files_is_raised_to_the_hard_limit() {
    let script = format!("ulimit -Sn 100; exec '{}'", fixture().display());
    let service = Process::spawn_with("/bin/sh", &["-c", &script], &[]);
    service.wait_until_ready();
    let limit = service.metrics().value("process_max_fds", &[]).unwrap();
    assert!(limit > 100.0, "{limit}");
    let crowd: Vec<_> = (0..200).map(|_| service.connect()).collect();
    assert_eq!(service.get("/hello").status, 200);
    drop(crowd);
}

/// SRV-6: the descriptor is closed although the body of the upgrade is unread.
#[test]
fn upgrade_with_a_body_leaks_no_descriptor() {
    let service = start(&[]);
    let open = || {
        eventually("everything else is closed", || {
            let metrics = service.metrics();
            (metrics.value("http_connections_open", &[]) == Some(1.0))
                .then(|| metrics.value("process_open_fds", &[]).unwrap())
        })
    };
    let before = open();
    for _ in 0..30 {
        let mut connection = service.connect();
        connection.send(
            "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\
             Content-Length: 5\r\n\r\n",
        );
        assert_eq!(connection.read_head().status, 101);
        connection.reset();
    }
    let after = open();
    assert!(after < before + 10.0, "{before} descriptors, then {after}");
}

/// SRV-6, MET-6: a failing listener backs off, logs it, and continues.
#[test]
fn accept_recovers_after_descriptor_exhaustion() {
    let fixture = fixture();
    let script = format!("ulimit -n 64; exec '{}'", fixture.display());
    let env = [("MAX_CONNECTIONS", "1000"), ("READ_TIMEOUT", "60s")];
    let service = Process::spawn_with("/bin/sh", &["-c", &script], &env);
    service.wait_until_ready();
    let crowd: Vec<_> = (0..100).map(|_| service.connect()).collect();
    let record = service.wait_for_record(|record| record["message"] == "accept_failed");
    assert!(
        record["error"].as_str().unwrap().contains("open files"),
        "{record}"
    );
    drop(crowd);
    assert_eq!(service.get("/hello").status, 200);
    let kind = [("kind", "descriptors")];
    let errors = service.metrics().value("http_accept_errors_total", &kind);
    assert!(errors >= Some(1.0), "{errors:?}");
    assert_eq!(service.terminate().code, Some(0));
}

/// SRV-6: the default of `MAX_CONNECTIONS` follows any limit of files.
#[test]
fn few_descriptors_limit_connections_but_not_probes() {
    let fixture = fixture();
    let script = format!("ulimit -n 256; exec '{}'", fixture.display());
    let service = Process::spawn_with("/bin/sh", &["-c", &script], &[]);
    service.wait_until_ready();
    let crowd: Vec<_> = (0..1000).map(|_| service.connect()).collect();
    for path in ["/health", "/ready", "/hello"] {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    assert_eq!(service.metrics().sum("http_accept_errors_total", &[]), 0.0);
    drop(crowd);
    assert!(service.terminate().records_with("accept_failed").is_empty());
}

/// SRV-6: the default of `MAX_CONNECTIONS` leaves descriptors for the workers.
#[test]
fn default_connection_limit_leaves_descriptors_for_workers() {
    let fixture = fixture();
    for (workers, files) in [("2", 32), ("8", 64), ("16", 128), ("128", 1024)] {
        let script = format!("ulimit -n {files}; exec '{}'", fixture.display());
        let env = [("WORKERS", workers)];
        let service = Process::spawn_with("/bin/sh", &["-c", &script], &env);
        service.wait_until_ready();
        let crowd: Vec<_> = (0..2 * files).map(|_| service.connect()).collect();
        assert_eq!(service.get("/health").status, 200, "{workers} of {files}");
        drop(crowd);
        assert_eq!(service.terminate().code, Some(0), "{workers} of {files}");
    }
}
