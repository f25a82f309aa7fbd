//! Requests that other pages cause, and the secrecy of the token.

use std::os::unix::fs::PermissionsExt as _;

use harness::{Process, Scratch};

use super::{ANY, Console, pid};
use crate::support::argument;

fn sleeping() -> Console {
    let console = Console::start(&["--run", "a=echo started; exec sleep 60"]);
    console.wait_for("a", |service| service["lastLine"] == "started");
    console
}

/// Rules of the console: CON-1.
#[test]
fn rebound_host_name_is_rejected() {
    let console = sleeping();
    for path in ["/", "/api/state", "/api/stream?view=logs", "/unknown"] {
        let mut connection = console.connect();
        connection.send(format!(
            "GET {path} HTTP/1.1\r\nHost: evil.example:{}\r\nAuthorization: Bearer {}\r\n\
            Connection: close\r\n\r\n",
            console.addr.port(),
            console.token,
        ));
        let response = connection.read();
        assert_eq!(response.status, 421, "{path}");
        assert!(!response.text().contains("sleep"), "{}", response.text());
    }
}

/// Rules of the console: CON-1.
#[test]
fn allowed_host_name_is_served() {
    let options = ["--allow-host", "dev.example", "--run", "a=exec sleep 60"];
    let console = Console::start(&options);
    let get = |host: &str, origin: &str| {
        let mut connection = console.connect();
        connection.send(format!(
            "GET /api/state HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\
            Authorization: Bearer {}\r\n\r\n",
            console.token
        ));
        connection.read().status
    };
    assert_eq!(get("dev.example", "https://dev.example"), 200);
    assert_eq!(get("other.dev.example", "https://dev.example"), 421);
    assert_eq!(get("dev.example", "https://evil.example"), 403);
}

/// Rules of the console: CON-2, CON-3.
#[test]
fn another_origin_reads_and_writes_nothing() {
    let console = sleeping();
    let child = pid(&console.service("a"));
    let token = format!("Authorization: Bearer {}\r\n", console.token);
    let origins = [
        "Origin: http://evil.example\r\n".to_owned(),
        "Origin: null\r\n".to_owned(),
        // Another port of this computer is another origin.
        format!("Origin: http://{}\r\n", console.process.addr()),
        "Sec-Fetch-Site: cross-site\r\n".to_owned(),
        "Sec-Fetch-Site: same-site\r\n".to_owned(),
    ];
    for origin in origins {
        for (method, path) in [
            ("GET", "/api/state"),
            ("GET", "/api/stream?view=logs"),
            ("POST", "/api/services/a/stop"),
            ("OPTIONS", "/api/services/a/stop"),
        ] {
            for token in ["", &token] {
                let headers = format!("{origin}{token}");
                let response = console.send_with(method, path, &headers);
                assert_eq!(response.status, 403, "{origin} {method} {path}");
                let mut headers = response.headers.iter();
                assert!(!headers.any(|(name, _)| name.starts_with("access-control")));
            }
        }
    }
    for headers in ["", "Authorization: Bearer 0\r\n", "Cookie: token=0\r\n"] {
        let response = console.send_with("POST", "/api/services/a/stop", headers);
        assert_eq!(response.status, 401);
        assert_eq!(response.json()["status"], 401);
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(pid(&console.service("a")), child);
}

/// Rules of the console: CON-2.
#[test]
fn token_is_in_no_log_argument_or_environment() {
    let console = sleeping();
    let token = console.token.clone();
    // A request with the token, a rejected one, and an unknown path.
    console.get("/api/logs");
    console.send_with("GET", "/api/state", "Authorization: Bearer 0\r\n");
    console.send("GET", "/api/unknown");

    let child = pid(&console.service("a"));
    for pid in [console.process.pid(), child] {
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(&token), "/proc/{pid}/{file}");
        }
    }
    for path in [
        "/api/logs?filter=service:console",
        "/api/logs",
        "/api/state",
        "/api/requests",
    ] {
        let response = console.send("GET", path);
        assert!(!response.text().contains(&token), "{path}");
    }
    let exited = console.interrupt();
    assert_eq!(
        exited.stderr.matches(&token).count(),
        1,
        "{}",
        exited.stderr
    );
    assert!(!exited.stdout.contains(&token));
}

/// Rules of the console: CON-2.
#[test]
fn token_for_scripts_is_readable_by_this_user_only() {
    let console = sleeping();
    let text = console.process.stderr();
    let (_, path) = text.split_once("scripts is in ").unwrap();
    let path = std::path::Path::new(path.lines().next().unwrap());
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(std::fs::read_to_string(path).unwrap().trim(), console.token);
    console.interrupt();
    assert!(!path.exists() && !path.parent().unwrap().exists());
}

/// Rules of the console: CON-4.
#[test]
fn page_has_a_policy_and_no_data() {
    let console = sleeping();
    let response = console.send_with("GET", "/", "");
    assert_eq!(response.status, 200);
    assert_eq!(
        response.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = response.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(response.header("set-cookie"), None);
    assert!(!response.text().contains(&console.token));

    let etag = response.header("etag").unwrap();
    let response = console.send_with("GET", "/", &format!("If-None-Match: {etag}\r\n"));
    assert_eq!((response.status, response.body.len()), (304, 0));
    let head = console.process.addr();
    assert_ne!(
        head, console.addr,
        "the page is not on the port of the service"
    );
}

/// The probes and metrics of the chassis are answered before the guard.
#[test]
fn page_answers_no_probe() {
    let console = sleeping();
    for path in ["/health", "/ready", "/metrics", "/info", "/admin/config"] {
        assert_eq!(console.send_with("GET", path, "").status, 404, "{path}");
    }
}

/// Rules of the console: CON-7.
#[test]
fn environment_of_a_child_is_not_shown() {
    let arguments = [
        "console",
        "--listen",
        ANY,
        "--otlp",
        ANY,
        "--run",
        "a=exec sleep 60",
    ];
    let variables = [("DATABASE_URL", "postgres://user:hidden@host")];
    let process = Process::spawn_with(env!("CARGO_BIN_EXE_plimsoll"), &arguments, &variables);
    let url = harness::eventually("the address is printed", || {
        let text = process.stderr();
        let url = text.split_once("http://")?.1.lines().next()?.to_owned();
        text.contains("scripts").then_some(url)
    });
    let (addr, token) = url.split_once("/#token=").unwrap();
    let mut connection = harness::Connection::tcp(addr.parse().unwrap()).unwrap();
    let headers = format!("Authorization: Bearer {token}\r\n");
    connection.send(harness::request("GET", "/api/state", &headers));
    let response = connection.read();
    assert_eq!(response.status, 200);
    assert!(!response.text().contains("hidden"), "{}", response.text());
}

/// Rules of the console: CON-2. All users see the arguments of a process.
#[cfg(target_os = "linux")]
#[test]
fn browser_gets_the_address_in_a_file() {
    let folder = Scratch::new();
    let opened = folder.path("opened");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >{0}.tmp; cat \"$1\" >>{0}.tmp; mv {0}.tmp {0}\n",
        argument(&opened)
    );
    let program = folder.write("xdg-open", script);
    let mode = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(program, mode).unwrap();
    let path = format!("{}:/usr/bin:/bin", argument(folder.folder()));
    let arguments = [
        "console", "--listen", ANY, "--otlp", ANY, "--open", "--", "sleep", "60",
    ];
    let process = Process::spawn_with(
        env!("CARGO_BIN_EXE_plimsoll"),
        &arguments,
        &[("PATH", &path)],
    );
    let text = harness::eventually("the browser is opened", || {
        std::fs::read_to_string(&opened).ok()
    });
    let (arguments, content) = text.split_once('\n').unwrap();
    assert!(!arguments.contains("token="), "{arguments}");
    let stderr = process.stderr();
    let url = stderr
        .split_once("is at ")
        .unwrap()
        .1
        .lines()
        .next()
        .unwrap();
    assert!(content.contains(url), "{content}");
    assert_eq!(process.terminate().code, Some(0));
}
