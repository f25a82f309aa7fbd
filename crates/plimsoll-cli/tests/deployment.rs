//! `plimsoll lint` on the files in `deploy/`: they have no finding, and each wrong value would be one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use harness::reference_service;
use serde_json::Value;

/// The command under test.
const PLIMSOLL: &str = env!("CARGO_BIN_EXE_plimsoll");

/// Services in files of their own: four of Compose and one unit. Kustomize renders three more.
const PLAIN_SERVICES: usize = 5;
const RENDERED_SERVICES: usize = 3;

/// Proxies: nginx with two upstreams, and HAProxy.
const PROXIES: usize = 3;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs the command in a folder. Returns its exit status and its report.
#[track_caller]
fn lint(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = Command::new(PLIMSOLL)
        .args(["lint", "--format", "json"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the command can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let status = output.status.code();
    (status.expect("it ends by itself"), report)
}

/// Asserts that all services and proxies of `deploy/` were checked, without a finding.
#[track_caller]
fn has_no_finding(arguments: &[&str]) {
    let (status, report) = lint(&repository(), arguments);
    assert_eq!(report["findings"], Value::Array(Vec::new()), "{report:#}");
    assert_eq!(report["unreadable"], Value::Array(Vec::new()), "{report:#}");
    assert_eq!(report["proxies"], PROXIES);
    let services = report["services"].as_array().map(Vec::len);
    if has_renderer() {
        assert_eq!(
            services,
            Some(PLAIN_SERVICES + RENDERED_SERVICES),
            "{report:#}"
        );
        assert_eq!(status, 0);
    } else {
        assert_eq!(services, Some(PLAIN_SERVICES), "{report:#}");
        assert_eq!(status, 2);
    }
}

/// Whether kustomizations can be rendered here. In CI, they must be.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "the setting of the test run, not of a service"
)]
fn has_renderer() -> bool {
    let starts = |name| Command::new(name).arg("version").output().is_ok();
    let has = starts("kubectl") || starts("kustomize");
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(
        has || !is_ci,
        "CI must render the kustomizations: install kubectl"
    );
    has
}

/// A copy of the files, which a test changes.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Self {
        let copy = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        // What is left of a run that was stopped.
        if copy.0.exists() {
            fs::remove_dir_all(&copy.0).expect("the folder can be removed");
        }
        for folder in ["deploy", "services/rust-axum-app"] {
            copy_folder(&repository().join(folder), &copy.0.join(folder));
        }
        copy
    }

    /// Replaces a text that the file must contain.
    #[track_caller]
    fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.0.join(file);
        let text = fs::read_to_string(&path).expect("the file can be read");
        assert!(text.contains(from), "{from:?} is in {file}");
        fs::write(path, text.replace(from, to)).expect("the file can be written");
    }

    fn path(&self, file: &str) -> String {
        self.0.join(file).display().to_string()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // The next run removes what is left.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder can be created");
    for entry in fs::read_dir(from).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("the file can be copied");
        }
    }
}

/// A change of a file, from one text to another, and the rule that it breaks in this file.
type Change<'case> = (&'case str, &'case str, &'case str, &'case str);

/// Whether a report has a finding of a rule in a file.
fn has_finding(report: &Value, rule: &str, file: &str) -> bool {
    let mut findings = report["findings"].as_array().into_iter().flatten();
    findings.any(|it| it["rule"] == *rule && it["file"] == *file)
}

/// Asserts that each change alone is found.
#[track_caller]
fn is_found(name: &str, arguments: &[&str], changes: &[Change<'_>]) {
    let copy = Copy::new(name);
    let (status, report) = lint(&copy.0, arguments);
    assert_eq!(status, 0, "{report:#}");
    for (file, from, to, rule) in changes {
        let path = copy.0.join(file);
        let original = fs::read(&path).expect("the file can be read");
        copy.change(file, from, to);
        let (status, report) = lint(&copy.0, arguments);
        fs::write(path, original).expect("the file can be written");
        let is_found = status == 1 && has_finding(&report, rule, file);
        assert!(is_found, "{file}: {from} → {to}: {report:#}");
    }
}

/// LIFE-10, CFG-11
#[test]
fn deploy_has_no_finding() {
    let binary = reference_service();
    let binary = binary.to_str().expect("the folder has a plain name");
    has_no_finding(&["--service", binary, "deploy"]);
}

#[test]
fn deploy_has_no_finding_without_the_binary() {
    has_no_finding(&["deploy"]);
}

/// LIFE-10, CFG-11
#[test]
fn wrong_value_in_compose_is_found() {
    let (dev, prod) = ("deploy/compose.dev.yml", "deploy/compose.prod.yml");
    let (int, stack) = ("deploy/compose.int.yml", "deploy/stack.yml");
    let profile = "services/rust-axum-app/.env.prod";
    is_found(
        "compose",
        &[dev, int, prod, stack],
        &[
            (dev, "_period: 10s", "_period: 4s", "GRACE"),
            (int, "_period: 15s", "_period: 8s", "GRACE"),
            (prod, "_period: 15s", "_period: 8s", "GRACE"),
            (stack, "_period: 20s", "_period: 13s", "GRACE"),
            (prod, "256M", "240M", "MEMORY"),
            (stack, "memory: 256M", "memory: 240M", "MEMORY"),
            (dev, "8084:8080", "8084:80", "PORTS"),
            (prod, "8084:8080", "8084:80", "PORTS"),
            (stack, "8084:8080", "8084:80", "PORTS"),
            (
                int,
                "172.28.84.2\n    networks",
                "0.0.0.0/0\n    networks",
                "TRUST",
            ),
            (profile, "PORT=8080", "PORT=8080\nADMIN_TOKEN=a", "SECRET"),
        ],
    );
}

/// The profile has the address of a developer's machine.
#[test]
fn missing_address_in_compose_is_found_in_the_profile() {
    let copy = Copy::new("address");
    copy.change("deploy/compose.dev.yml", "HOST: 0.0.0.0", "A: b");
    let (status, report) = lint(&copy.0, &["deploy/compose.dev.yml"]);
    let is_found = has_finding(&report, "PORTS", "services/rust-axum-app/.env.dev");
    assert!(status == 1 && is_found, "{report:#}");
}

/// LIFE-10, CFG-11
#[test]
fn wrong_value_in_kubernetes_is_found() {
    if !has_renderer() {
        return;
    }
    let base = "deploy/kubernetes/base/deployment.yaml";
    let dev = "deploy/kubernetes/overlays/dev/deployment.yaml";
    let service = "deploy/kubernetes/base/service.yaml";
    is_found(
        "kubernetes",
        &["deploy/kubernetes/overlays/prod"],
        &[
            (base, "Seconds: 30", "Seconds: 13", "GRACE"),
            (base, "256Mi", "240Mi", "MEMORY"),
            (base, "containerPort: 9090", "containerPort: 9091", "PORTS"),
            (service, "targetPort: http", "targetPort: web", "PORTS"),
            (base, "path: /health", "path: /ready", "PROBE"),
            (base, "path: /startupz", "path: /started", "PROBE"),
            (base, "timeoutSeconds: 3", "timeoutSeconds: 11", "PROBE"),
            (base, "periodSeconds: 2", "periodSeconds: 3", "NOTICE"),
        ],
    );
    is_found(
        "kubernetes-dev",
        &["deploy/kubernetes/overlays/dev"],
        &[
            (dev, "Seconds: 10", "Seconds: 4", "GRACE"),
            (dev, "0.0.0.0", "127.0.0.1", "PORTS"),
        ],
    );
}

/// LIFE-10, CFG-11
#[test]
fn wrong_value_in_systemd_is_found() {
    let unit = "deploy/systemd/rust-axum-app.service";
    is_found(
        "systemd",
        &["deploy/systemd"],
        &[
            (unit, "StopSec=15", "StopSec=8", "GRACE"),
            (unit, "MemoryMax=256M", "MemoryMax=240M", "MEMORY"),
            (unit, "NOFILE=65536", "NOFILE=2048", "FILES"),
            (unit, "PreventExitStatus=78", "PreventExitStatus=1", "EXIT"),
            (unit, "SuccessExitStatus=3", "SuccessExitStatus=2", "EXIT"),
        ],
    );
}

/// LIFE-10, CFG-11
#[test]
fn unit_fits_the_profile_of_production() {
    let copy = Copy::new("unit");
    let profile = copy.path("services/rust-axum-app/.env.prod");
    let unit = "deploy/systemd/rust-axum-app.service";
    copy.change(unit, "/etc/rust-axum-app/env", &profile);
    let (status, report) = lint(&copy.0, &[unit]);
    assert_eq!(
        (status, &report["assumed"]),
        (0, &Value::Array(Vec::new())),
        "{report:#}"
    );
    // Without the profile, the port is not known.
    let socket = "deploy/systemd/rust-axum-app.socket";
    copy.change(socket, "8080", "80");
    let (status, report) = lint(&copy.0, &["deploy/systemd"]);
    let is_found = status == 1 && has_finding(&report, "PORTS", socket);
    assert!(is_found, "{report:#}");
}

#[test]
fn wrong_value_of_a_balancer_is_found() {
    let copy = Copy::new("profile");
    let profile = copy.path("services/rust-axum-app/.env.prod");
    let nginx = "deploy/nginx/service.conf";
    let compose = "deploy/nginx/upstream.compose.conf";
    let host = "deploy/nginx/upstream.host.conf";
    let haproxy = "deploy/haproxy/haproxy.cfg";
    is_found(
        "balancers",
        &[
            "deploy/compose.int.yml",
            "deploy/systemd",
            "deploy/nginx",
            "deploy/haproxy",
        ],
        &[
            (nginx, "read_timeout 35s", "read_timeout 30s", "PATIENCE"),
            (
                haproxy,
                "timeout server 35s",
                "timeout server 30s",
                "PATIENCE",
            ),
            (compose, "25s", "30s", "IDLE"),
            (host, "25s", "120s", "IDLE"),
            (haproxy, "delay 10s", "delay 2m", "IDLE"),
            (nginx, "64k", "65k", "BODY"),
            (compose, "app:8080", "app:80", "PORTS"),
            (nginx, "metrics|", "", "PUBLIC"),
            (haproxy, "/livez ", "", "PUBLIC"),
            // The unit reads the profile of production, and trusts no proxy.
            (
                "deploy/systemd/rust-axum-app.service",
                "/etc/rust-axum-app/env",
                &profile,
                "TRUST",
            ),
        ],
    );
}

/// The instances are those that `haproxy.cfg` describes.
#[test]
fn balancer_detects_a_shutdown_within_the_drain_delay() {
    let copy = Copy::new("haproxy");
    let instance = "[Service]\nExecStart=/usr/local/bin/rust-axum-app\nTimeoutStopSec=20\nRestart=no\n\
        SuccessExitStatus=3\nEnvironment=PORT=8081 DRAIN_DELAY=5s TRUSTED_PROXIES=127.0.0.1\n";
    let unit = copy.path("deploy/haproxy/one.service");
    fs::write(unit, instance).expect("the file can be written");
    let (status, report) = lint(&copy.0, &["deploy/haproxy"]);
    assert_eq!(status, 0, "{report:#}");
    copy.change("deploy/haproxy/haproxy.cfg", "inter 1s", "inter 2500ms");
    let (status, report) = lint(&copy.0, &["deploy/haproxy"]);
    assert_eq!(
        (status, &report["findings"][0]["rule"]),
        (1, &"NOTICE".into())
    );
}

#[test]
fn variable_that_the_service_rejects_is_found() {
    let copy = Copy::new("rejected");
    copy.change("deploy/compose.prod.yml", "\"2048\"", "\"0\"");
    let binary = reference_service();
    let binary = binary.to_str().expect("the folder has a plain name");
    let (status, report) = lint(&copy.0, &["--service", binary, "deploy/compose.prod.yml"]);
    let finding = &report["findings"][0];
    assert_eq!(status, 1, "{report:#}");
    assert_eq!(finding["rule"], "CONFIG", "{report:#}");
    assert_eq!(finding["line"], 18);
}

#[test]
fn program_that_is_not_a_service_is_an_error() {
    for program in ["/bin/true", "/nonexistent"] {
        let output = Command::new(PLIMSOLL)
            .args(["lint", "--service", program, "deploy/compose.prod.yml"])
            .current_dir(repository())
            .output()
            .expect("the command can be started");
        assert_eq!(output.status.code(), Some(64), "{program}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(program), "{stderr}");
    }
}
