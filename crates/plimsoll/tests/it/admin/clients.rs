//! The clients that may use the controls.

use std::process::Command;

use harness::{Connection, Process, ReservedPort, Response, eventually};

use super::{WithAdmin, control};
use crate::support::{assert_problem, run, skip, start};

const TOKEN: &str = "canary-0123456789abcdef0123456789abcdef";

/// A fixture with an admin listener on TCP.
struct OverTcp {
    service: Process,
    port: ReservedPort,
}

impl OverTcp {
    fn start(env: &[(&str, &str)]) -> Self {
        let port = ReservedPort::bind();
        let addr = format!("127.0.0.1:{}", port.number());
        let service = start(&[env, &[("ADMIN_ADDR", &addr)]].concat());
        Self { service, port }
    }

    fn with_token() -> Self {
        Self::start(&[("ADMIN_TOKEN", TOKEN)])
    }

    fn connect(&self) -> Connection {
        let addr = ([127, 0, 0, 1], self.port.number()).into();
        Connection::tcp(addr).unwrap()
    }

    fn get(&self, path: &str, headers: &str) -> Response {
        let mut connection = self.connect();
        connection.send(format!("GET {path} HTTP/1.1\r\n{headers}\r\n"));
        connection.read()
    }

    fn denied(&self, reason: &str) -> Option<f64> {
        let scrape = self.service.metrics();
        scrape.value("admin_denied_total", &[("reason", reason)])
    }
}

fn bearer() -> String {
    format!("Host: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n")
}

/// ADM-6
#[test]
fn loopback_client_needs_the_token() {
    let it = OverTcp::with_token();
    let answer = it.get("/admin", "Host: 127.0.0.1\r\n");
    assert_problem(&answer, 401);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let wrong = format!(
        "Host: 127.0.0.1\r\nAuthorization: Bearer {}x\r\n",
        &TOKEN[1..]
    );
    assert_eq!(it.get("/admin", &wrong).status, 401);
    let answer = it.get("/admin", &bearer());
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.json()["service"], "fixture-service");
    eventually("the denials are counted", || {
        (it.denied("unauthorised") == Some(2.0)).then_some(())
    });
}

/// ADM-6
#[test]
fn unknown_path_is_401_without_the_token() {
    let it = OverTcp::with_token();
    for path in ["/admin/", "/admin/no-such-path", "/admin/checks/x"] {
        assert_eq!(it.get(path, "Host: 127.0.0.1\r\n").status, 401, "{path}");
        let known = it.get(path, &bearer()).status;
        assert!([404, 405].contains(&known), "{path}: {known}");
    }
    // Other paths of the listener are as without controls.
    assert_eq!(it.get("/administration", "Host: 127.0.0.1\r\n").status, 404);
    assert_eq!(it.get("/health", "Host: 127.0.0.1\r\n").status, 200);
}

/// ADM-6
#[test]
fn without_token_there_are_no_controls_over_tcp() {
    let it = OverTcp::start(&[]);
    assert_problem(&it.get("/admin", "Host: 127.0.0.1\r\n"), 404);
    assert_eq!(it.get("/admin", &bearer()).status, 404);
}

/// ADM-6
#[test]
fn main_listener_never_has_the_controls() {
    let it = OverTcp::with_token();
    let mut main = it.service.connect();
    main.send(format!("GET /admin HTTP/1.1\r\n{}\r\n", bearer()));
    assert_problem(&main.read(), 404);
}

/// ADM-6
#[test]
fn unix_peer_of_the_service_needs_no_token() {
    let it = WithAdmin::with(start, &[]);
    let index = it.get("/admin");
    assert_eq!(index.status, 200);
    let paths = index.json()["paths"].clone();
    let paths = paths.as_array().unwrap().iter();
    assert!(
        paths
            .into_iter()
            .any(|path| path["path"] == "/admin/readiness")
    );
}

/// ADM-6
#[test]
fn unix_peer_with_another_uid_is_rejected() {
    if !std::fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt as _;
        own.uid() == 0
    }) {
        return skip("only root can start a client with another uid");
    }
    let it = WithAdmin::with(start, &[]);
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&it.path, std::fs::Permissions::from_mode(0o777)).unwrap();
    let client = r#"
my $client = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "cannot connect: $!";
print $client "GET /admin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
my @words = split / /, <$client>;
print $words[1];
"#;
    let status = |uid: &str| {
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={uid}"), "--clear-groups", "perl"]);
        command
            .args(["-MIO::Socket::UNIX", "-e", client])
            .arg(&it.path);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(status("12345"), "401");
    assert_eq!(status("0"), "200");
}

/// ADM-7
#[test]
fn rebound_host_name_gets_421() {
    let it = OverTcp::with_token();
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:80",
    ] {
        let answer = it.get("/admin", &format!("Host: {host}\r\n{token}"));
        assert_problem(&answer, 421);
    }
    let local = format!("Host: localhost\r\n{token}");
    assert_problem(&it.get("http://evil.example/admin", &local), 421);
    assert_eq!(it.get("/admin", &local).status, 200);
    eventually("the denials are counted", || {
        (it.denied("host") == Some(4.0)).then_some(())
    });
}

/// ADM-7
#[test]
fn page_of_another_origin_gets_403() {
    let it = OverTcp::with_token();
    for header in [
        "Origin: http://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
    ] {
        let answer = it.get("/admin", &format!("{}{header}\r\n", bearer()));
        assert_problem(&answer, 403);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let typed = it.get("/admin", &format!("{}Sec-Fetch-Site: none\r\n", bearer()));
    assert_eq!(typed.status, 200);
    let mut preflight = it.connect();
    preflight.send(control(
        "OPTIONS",
        "/admin/readiness",
        &format!("Authorization: Bearer {TOKEN}\r\n"),
        "",
    ));
    let answer = preflight.read();
    assert_eq!(answer.status, 405);
    assert!(
        answer
            .header_values("access-control-allow-origin")
            .is_empty()
    );
}

/// ADM-8
#[test]
fn token_is_never_shown() {
    let it = OverTcp::with_token();
    for path in [
        "/admin",
        "/admin/checks",
        "/admin/readiness",
        "/admin/changes",
    ] {
        assert!(!it.get(path, &bearer()).text().contains(TOKEN), "{path}");
    }
    let ended = it.service.terminate();
    assert!(!ended.stdout.contains(TOKEN) && !ended.stderr.contains(TOKEN));
    let env = [("ADMIN_ADDR", "127.0.0.1:9099"), ("ADMIN_TOKEN", TOKEN)];
    let report = run(&["--check-config"], &env);
    assert_eq!(report.code, Some(0), "{}", report.stderr);
    assert!(!report.stdout.contains(TOKEN), "{}", report.stdout);
}

/// ADM-10
#[test]
fn thousand_denials_log_one_record_a_second() {
    let it = OverTcp::with_token();
    let (requests, took) = harness::timed(|| {
        let mut connection = it.connect();
        let guess = "GET /admin HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer guess\r\n\r\n";
        for _ in 0..1000 {
            connection.send(guess);
            assert_eq!(connection.read().status, 401);
        }
        1000.0
    });
    assert_eq!(
        it.get("/admin", &bearer()).status,
        200,
        "no client is locked out"
    );
    eventually("the denials are counted", || {
        (it.denied("unauthorised") == Some(requests)).then_some(())
    });
    let ended = it.service.terminate();
    let records = ended.records_with("admin_denied").len();
    assert!(
        records >= 1 && records as f64 <= took.as_secs_f64() + 2.0,
        "{records} in {took:?}"
    );
}

/// CLI-4
#[test]
fn admin_command_queries_its_own_service() {
    let it = OverTcp::with_token();
    let addr = format!("127.0.0.1:{}", it.port.number());
    let env = [("ADMIN_ADDR", &*addr), ("ADMIN_TOKEN", TOKEN)];
    let index = run(&["admin", "/admin"], &env);
    assert_eq!(index.code, Some(0), "{}", index.stderr);
    assert!(
        index.stdout.contains("\"/admin/readiness\""),
        "{}",
        index.stdout
    );
    let held = run(
        &["admin", "/admin/readiness", "ready=false", "reason=a test"],
        &env,
    );
    assert_eq!(held.code, Some(0), "{}", held.stderr);
    assert!(
        held.stdout.contains("\"reason\":\"a test\""),
        "{}",
        held.stdout
    );
    assert_eq!(it.service.get("/ready").status, 503);
    let bad = run(&["admin", "PUT", "/admin/readiness", "ready=maybe"], &env);
    assert_eq!(bad.code, Some(1));
    assert!(
        bad.stdout.contains("`ready` must be `false`"),
        "{}",
        bad.stdout
    );
    let without = run(&["admin", "/admin"], &[]);
    assert_eq!(without.code, Some(1));
    assert!(
        without.stderr.contains("ADMIN_ADDR is not set"),
        "{}",
        without.stderr
    );
}
