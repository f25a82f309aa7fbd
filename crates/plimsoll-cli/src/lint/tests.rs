//! Each rule with a file that keeps it, one that breaks it, and one that cannot be read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;

use super::{finding::Severity, *};

/// Files in a folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    #[track_caller]
    fn new(files: &[(&str, &str)]) -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("plimsoll-lint-{}-{count}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        for (name, text) in files {
            let path = folder.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn lint(&self) -> Report {
        self.lint_with(Vec::new())
    }

    fn lint_with(&self, waivers: Vec<Waiver>) -> Report {
        lint(std::slice::from_ref(&self.0), None, waivers).unwrap()
    }

    /// Returns a path as the report shows it.
    fn shown(&self, place: &Place) -> String {
        let file = Path::new(&*place.file).strip_prefix(&self.0).unwrap();
        format!("{}:{}", file.display(), place.line)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Asserts that files have no finding.
#[track_caller]
fn good(files: &[(&str, &str)]) {
    let report = Folder::new(files).lint();
    assert_eq!(exit(&report), Exit::Success, "{}", report.human());
    assert!(!report.services.is_empty() || report.proxies > 0);
}

/// Asserts that files have one finding, and returns its text.
#[track_caller]
fn bad(files: &[(&str, &str)], rule: &str, place: &str) -> Finding {
    let folder = Folder::new(files);
    let report = folder.lint();
    assert_eq!(report.findings.len(), 1, "{}", report.human());
    assert_eq!(exit(&report), Exit::Findings);
    let finding = report.findings[0].clone();
    assert_eq!(
        (finding.rule, folder.shown(&finding.place).as_str()),
        (rule, place)
    );
    finding
}

/// Asserts that a file is reported as unreadable.
#[track_caller]
fn broken(files: &[(&str, &str)], place: &str, what: &str) {
    let folder = Folder::new(files);
    let report = folder.lint();
    assert_eq!(report.broken.len(), 1, "{}", report.human());
    assert_eq!(exit(&report), Exit::Usage);
    assert_eq!(folder.shown(&report.broken[0].place), place);
    assert!(report.broken[0].what.contains(what), "{}", report.human());
}

/// A pod that keeps every rule. Lines are numbered in the tests.
const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: shop, labels: {app: shop}}
spec:
  terminationGracePeriodSeconds: 30
  containers:
    - name: shop
      image: registry.example.com:5000/shop:1
      env:
        - {name: ADMIN_ADDR, value: '0.0.0.0:9090'}
        - {name: SHUTDOWN_TIMEOUT, value: 15s}
        - {name: MAX_CONNECTIONS, value: '1000'}
        - {name: MAX_BODY_BYTES, value: 64KiB}
        - {name: TRUSTED_PROXIES, value: 10.1.0.0/16}
        - {name: SECRET_KEY, valueFrom: {secretKeyRef: {name: a, key: b}}}
      ports:
        - {name: http, containerPort: 8080}
      livenessProbe: {httpGet: {path: /health, port: 9090}}
      readinessProbe:
        httpGet: {path: /ready, port: http}
        periodSeconds: 2
        failureThreshold: 2
      resources:
        limits:
          memory: 256Mi
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  selector: {app: shop}
  ports:
    - {port: 80, targetPort: http}
";

/// A Compose file that keeps every rule.
const STACK: &str = "\
services:
  app:
    image: shop
    env_file: prod.env
    environment:
      TRUSTED_PROXIES: 172.28.0.2
    ports: ['8084:8080']
    stop_grace_period: 15s
    mem_limit: 4G
    ulimits: {nofile: 8192}
";

const ENV: &str = "MAX_CONNECTIONS=4096\nSHUTDOWN_TIMEOUT=5s\n";

/// A configuration of nginx that keeps every rule for the Compose file.
const NGINX: &str = "\
upstream shop {
    server app:8080;
    keepalive 8;
    keepalive_timeout 25s;
}
server {
    location / {
        proxy_pass http://shop;
        proxy_read_timeout 35s;
    }
    location ~ ^/(metrics|health|healthz|livez|ready|readyz|startupz)$ {
        return 404;
    }
}
";

const HAPROXY: &str = "\
frontend public
    http-request deny if { path /metrics /health /healthz /livez /ready /readyz /startupz }
    default_backend shop
backend shop
    timeout server 35s
    option httpchk GET /ready
    server one app:8080 check inter 1s fall 2
";

const UNIT: &str = "\
[Service]
ExecStart=/usr/bin/shop
Environment=MAX_CONNECTIONS=2048 MAX_BODY_BYTES=64KiB
LimitNOFILE=65536
MemoryMax=256M
TimeoutStopSec=15
Restart=on-failure
RestartPreventExitStatus=78
SuccessExitStatus=3
";

/// Asserts that a change of a file breaks a rule.
#[track_caller]
fn changed(files: &[(&str, &str)], from: &str, to: &str, rule: &str, place: &str) -> Finding {
    let name = place.split(':').next().unwrap();
    let mut changed = false;
    let files: Vec<(&str, String)> = files
        .iter()
        .map(|(file, text)| {
            if *file == name && text.contains(from) {
                changed = true;
                (*file, text.replace(from, to))
            } else {
                (*file, (*text).to_owned())
            }
        })
        .collect();
    assert!(changed, "{from} is in {name}");
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    bad(&files, rule, place)
}

const STACK_FILES: [(&str, &str); 2] = [("compose.yml", STACK), ("prod.env", ENV)];
const PROXY_FILES: [(&str, &str); 3] =
    [("compose.yml", STACK), ("prod.env", ENV), ("a.conf", NGINX)];
const BALANCER_FILES: [(&str, &str); 3] = [
    ("compose.yml", STACK),
    ("prod.env", "MAX_CONNECTIONS=4096\nDRAIN_DELAY=5s\n"),
    ("a.cfg", HAPROXY),
];

#[test]
fn good_files_have_no_finding() {
    good(&[("pod.yaml", POD)]);
    good(&STACK_FILES);
    good(&PROXY_FILES);
    good(&BALANCER_FILES);
    good(&[
        ("shop.service", UNIT),
        ("shop.socket", "[Socket]\nListenStream=8080\n"),
    ]);
}

#[test]
fn unreadable_file_of_each_kind_has_its_line() {
    broken(&[("pod.yaml", "kind: [Pod\n")], "pod.yaml:2", "not YAML");
    broken(
        &[("compose.yml", STACK), ("prod.env", "A=b\nsecret\n")],
        "prod.env:2",
        "NAME=value",
    );
    broken(
        &[("compose.yml", "services:\n  a: {extends: b}\n")],
        "compose.yml:1",
        "no service b",
    );
    broken(
        &[("a.service", "[Service]\nExecStart\n")],
        "a.service:2",
        "Name=value",
    );
    broken(
        &[("a.conf", "upstream a {\n  server b;\n")],
        "a.conf:1",
        "not closed",
    );
    let utf16 = "k\0i\0n\0d\0";
    broken(&[("pod.yaml", utf16)], "pod.yaml:1", "");
}

#[test]
fn grace_covers_pre_stop_and_shutdown() {
    let finding = changed(&[("pod.yaml", POD)], "15s", "22s", "GRACE", "pod.yaml:5");
    assert_eq!(
        finding.message,
        "terminationGracePeriodSeconds is 30 s, and shutdown can take 30 s"
    );
    let sum = finding.sum.unwrap();
    assert!(
        sum.starts_with("DRAIN_DELAY 5s (default) + SHUTDOWN_TIMEOUT 22s ("),
        "{sum}"
    );
    assert!(sum.ends_with("pod.yaml:11) + 3 s"), "{sum}");
    let hook = "image: shop\n      lifecycle: {preStop: {exec: {command: [sh, -c, 'sleep 10']}}}";
    let image = "image: registry.example.com:5000/shop:1";
    changed(&[("pod.yaml", POD)], image, hook, "GRACE", "pod.yaml:5");
    changed(&STACK_FILES, "15s", "8s", "GRACE", "compose.yml:8");
    let stack = STACK.replace("    stop_grace_period: 15s\n", "");
    let env = ENV.replace("5s", "7s");
    let files = [("compose.yml", stack.as_str()), ("prod.env", env.as_str())];
    let finding = bad(&files, "GRACE", "compose.yml:2");
    assert!(
        finding.message.contains("10 s by default"),
        "{}",
        finding.message
    );
    changed(
        &[("a.service", UNIT)],
        "StopSec=15",
        "StopSec=8s",
        "GRACE",
        "a.service:6",
    );
    good(&[("a.service", &UNIT.replace("StopSec=15", "StopSec=infinity"))]);
}

#[test]
fn notice_covers_the_prober_of_ready() {
    let finding = changed(
        &[("pod.yaml", POD)],
        "Seconds: 2",
        "Seconds: 3",
        "NOTICE",
        "pod.yaml:19",
    );
    assert!(finding.message.contains("after 7 s"), "{}", finding.message);
    changed(&BALANCER_FILES, "inter 1s", "inter 3s", "NOTICE", "a.cfg:6");
    // The phase is off on purpose.
    let off = "SHUTDOWN_TIMEOUT, value: 15s}\n        - {name: DRAIN_DELAY, value: 0s}";
    good(&[(
        "pod.yaml",
        &POD.replace("SHUTDOWN_TIMEOUT, value: 15s}", off),
    )]);
}

#[test]
fn probe_has_port_path_and_timeout() {
    let pod = [("pod.yaml", POD)];
    changed(
        &pod,
        "/health, port: 9090",
        "/health, port: 9091",
        "PROBE",
        "pod.yaml:18",
    );
    changed(
        &pod,
        "/health, port: 9090",
        "/health, port: web",
        "PROBE",
        "pod.yaml:18",
    );
    changed(
        &pod,
        "/health, port: 9090",
        "/ready, port: 9090",
        "PROBE",
        "pod.yaml:18",
    );
    changed(
        &pod,
        "/health, port: 9090",
        "/alive, port: 9090",
        "PROBE",
        "pod.yaml:18",
    );
    changed(
        &pod,
        "/ready, port",
        "/healthz?full=1, port",
        "PROBE",
        "pod.yaml:20",
    );
    changed(
        &pod,
        "port: 9090}}",
        "port: 9090}, timeoutSeconds: 11}",
        "PROBE",
        "pod.yaml:18",
    );
    changed(
        &pod,
        "port: 9090}",
        "port: 9090, scheme: HTTPS}",
        "PROBE",
        "pod.yaml:18",
    );
    let admin = "'0.0.0.0:9090'}\n        - {name: INFRA_ENDPOINTS, value: admin}";
    changed(&pod, "'0.0.0.0:9090'}", admin, "PROBE", "pod.yaml:21");
}

#[test]
fn patience_exceeds_the_request_timeout() {
    let finding = changed(&PROXY_FILES, "35s", "30s", "PATIENCE", "a.conf:9");
    assert!(
        finding
            .sum
            .unwrap()
            .ends_with("REQUEST_TIMEOUT 30s (default)")
    );
    changed(
        &BALANCER_FILES,
        "server 35s",
        "server 30s",
        "PATIENCE",
        "a.cfg:5",
    );
    let off = ENV.to_owned() + "REQUEST_TIMEOUT=0\n";
    good(&[
        ("compose.yml", STACK),
        ("prod.env", &off),
        ("a.conf", NGINX),
    ]);
}

#[test]
fn idle_connections_are_closed_by_the_proxy() {
    changed(&PROXY_FILES, "25s", "2m", "IDLE", "a.conf:4");
    let timeout = "    server one app:8080 check pool-purge-delay 3m";
    changed(
        &BALANCER_FILES,
        "    server one app:8080 check",
        timeout,
        "IDLE",
        "a.cfg:7",
    );
    // The default of nginx.
    let files = [
        STACK_FILES[0],
        ("prod.env", "MAX_CONNECTIONS=4096\nIDLE_TIMEOUT=60s\n"),
        ("a.conf", NGINX),
    ];
    changed(
        &files,
        "    keepalive_timeout 25s;\n",
        "",
        "IDLE",
        "a.conf:7",
    );
}

#[test]
fn body_limit_is_at_most_that_of_the_service() {
    let server = "server {\n    client_max_body_size 3m;";
    changed(
        &PROXY_FILES,
        "server {\n",
        &format!("{server}\n"),
        "BODY",
        "a.conf:7",
    );
    let off = "server {\n    client_max_body_size 0;";
    let finding = changed(
        &PROXY_FILES,
        "server {\n",
        &format!("{off}\n"),
        "BODY",
        "a.conf:7",
    );
    assert!(finding.message.contains("any size"), "{}", finding.message);
}

#[test]
fn trusted_proxies_are_set_and_narrow() {
    changed(
        &[("pod.yaml", POD)],
        "10.1.0.0/16",
        "10.1.0.0/7",
        "TRUST",
        "pod.yaml:14",
    );
    changed(
        &[("pod.yaml", POD)],
        "10.1.0.0/16",
        "::/0",
        "TRUST",
        "pod.yaml:14",
    );
    let files = [PROXY_FILES[1], PROXY_FILES[2], ("compose.yml", STACK)];
    changed(
        &files,
        "TRUSTED_PROXIES: 172.28.0.2",
        "A: b",
        "TRUST",
        "compose.yml:2",
    );
    // A file that was not read can set it.
    good(&[
        (
            "compose.yml",
            &STACK
                .replace(
                    "TRUSTED_PROXIES: 172.28.0.2",
                    "MAX_CONNECTIONS: 1000, IDLE_TIMEOUT: 60s",
                )
                .replace(
                    "environment:\n      MAX_CONNECTIONS: 1000, IDLE_TIMEOUT: 60s",
                    "environment: {MAX_CONNECTIONS: 1000, IDLE_TIMEOUT: 60s}",
                ),
        ),
        ("a.conf", NGINX),
    ]);
}

#[test]
fn memory_covers_connections_and_bodies() {
    let finding = changed(
        &[("pod.yaml", POD)],
        "256Mi",
        "80Mi",
        "MEMORY",
        "pod.yaml:25",
    );
    assert_eq!(finding.severity, Severity::Error);
    let finding = changed(
        &[("pod.yaml", POD)],
        "256Mi",
        "128Mi",
        "MEMORY",
        "pod.yaml:25",
    );
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(
        finding.message,
        "the memory limit is 128 MiB, and connections and bodies can take 149 MiB"
    );
    changed(
        &[("a.service", UNIT)],
        "256M",
        "128M",
        "MEMORY",
        "a.service:5",
    );
    changed(&STACK_FILES, "4G", "2g", "MEMORY", "compose.yml:9");
}

#[test]
fn open_files_exceed_connections() {
    changed(
        &[("a.service", UNIT)],
        "65536",
        "2048",
        "FILES",
        "a.service:4",
    );
    changed(
        &STACK_FILES,
        "8192",
        "{soft: 1024, hard: 4096}",
        "FILES",
        "compose.yml:10",
    );
}

#[test]
fn ports_agree() {
    changed(
        &STACK_FILES,
        "8084:8080",
        "127.0.0.1:8080:80/tcp",
        "PORTS",
        "compose.yml:7",
    );
    changed(&PROXY_FILES, "app:8080", "app:80", "PORTS", "a.conf:2");
    changed(
        &[("pod.yaml", POD)],
        "targetPort: http",
        "targetPort: web",
        "PORTS",
        "pod.yaml:33",
    );
    let port = "containerPort: 8080}\n        - {name: other, containerPort: 7000}";
    let finding = changed(
        &[("pod.yaml", POD)],
        "containerPort: 8080}",
        port,
        "PORTS",
        "pod.yaml:18",
    );
    assert_eq!(finding.severity, Severity::Warning);
    let host = "value: 64KiB}\n        - {name: HOST, value: 127.0.0.1}";
    changed(
        &[("pod.yaml", POD)],
        "value: 64KiB}",
        host,
        "PORTS",
        "pod.yaml:14",
    );
    let files = [
        ("a.service", UNIT),
        ("a.socket", "[Socket]\nListenStream=8080\n"),
    ];
    changed(&files, "8080", "[::]:80", "PORTS", "a.socket:2");
}

#[test]
fn metrics_and_probes_are_hidden_by_proxies() {
    let finding = changed(&PROXY_FILES, "metrics|", "", "PUBLIC", "a.conf:8");
    assert_eq!(finding.severity, Severity::Error);
    assert_eq!(finding.message, "nginx passes on /metrics");
    let finding = changed(&BALANCER_FILES, "/livez ", "", "PUBLIC", "a.cfg:7");
    assert_eq!(finding.severity, Severity::Warning);
    let route = "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: shop}\nspec:\n  rules:\n    - http:\n        paths:\n          - path: /\n            pathType: Prefix\n            backend: {service: {name: shop, port: {number: 80}}}\n";
    bad(
        &[("pod.yaml", &format!("{POD}{route}"))],
        "PUBLIC",
        "pod.yaml:44",
    );
    good(&[(
        "pod.yaml",
        &format!("{POD}{}", route.replace("path: /", "path: /api")),
    )]);
}

#[test]
fn keys_are_not_in_files() {
    let files = [("prod.env", ENV), ("compose.yml", STACK)];
    changed(
        &files,
        "SHUTDOWN_TIMEOUT",
        "ADMIN_TOKEN=abc\nSHUTDOWN_TIMEOUT",
        "SECRET",
        "prod.env:2",
    );
    let literal = "SECRET_KEY, value: abc}";
    let reference = "SECRET_KEY, valueFrom: {secretKeyRef: {name: a, key: b}}}";
    let finding = changed(
        &[("pod.yaml", POD)],
        reference,
        literal,
        "SECRET",
        "pod.yaml:15",
    );
    assert!(!finding.message.contains("abc"));
}

#[test]
fn exit_statuses_are_known_to_systemd() {
    let unit = [("a.service", UNIT)];
    changed(
        &unit,
        "RestartPreventExitStatus=78\n",
        "",
        "EXIT",
        "a.service:7",
    );
    changed(&unit, "SuccessExitStatus=3\n", "", "EXIT", "a.service:2");
    good(&[(
        "a.service",
        &UNIT
            .replace("=on-failure", "=no")
            .replace("RestartPreventExitStatus=78\n", ""),
    )]);
}

#[test]
fn invalid_setting_is_a_finding() {
    changed(
        &STACK_FILES,
        "TIMEOUT=5s",
        "TIMEOUT=5 fortnights",
        "CONFIG",
        "prod.env:2",
    );
}

#[test]
fn compose_reads_overrides_anchors_and_variables() {
    let base =
        "x-app: &app\n  image: shop\n  env_file: [prod.env]\nservices:\n  app:\n    <<: *app\n";
    let over = "services:\n  app:\n    stop_grace_period: ${GRACE:-8s}\n";
    let finding = bad(
        &[
            ("compose.yml", base),
            ("compose.override.yml", over),
            ("prod.env", ENV),
        ],
        "GRACE",
        "compose.override.yml:3",
    );
    assert!(finding.message.contains("is 8 s"), "{}", finding.message);
    let files = [
        ("compose.yml", base),
        ("compose.override.yml", over),
        ("prod.env", ENV),
        (".env", "GRACE=20s\n"),
    ];
    good(&files);
    // Another file is an override if its service has no image.
    let folder = Folder::new(&[
        ("compose.yml", base),
        ("compose.prod.yml", over),
        ("prod.env", ENV),
    ]);
    let places: Vec<_> = folder
        .lint()
        .findings
        .iter()
        .map(|it| folder.shown(&it.place))
        .collect();
    assert_eq!(places, ["compose.prod.yml:3"]);
}

#[test]
fn drop_in_and_env_file_of_a_unit_are_read() {
    let folder = Folder::new(&[("app.env", "SHUTDOWN_TIMEOUT=20s\n")]);
    let env = format!(
        "[Service]\nEnvironmentFile={}\n",
        folder.0.join("app.env").display()
    );
    let finding = bad(
        &[("a.service", UNIT), ("a.service.d/env.conf", &env)],
        "GRACE",
        "a.service:6",
    );
    assert!(finding.sum.unwrap().contains("app.env:1)"));
    let unread = "[Service]\nEnvironmentFile=/nonexistent/env\n";
    let report = Folder::new(&[("a.service", UNIT), ("a.service.d/env.conf", unread)]).lint();
    assert_eq!(exit(&report), Exit::Success);
    assert_eq!(report.assumed[0].value, "/nonexistent/env");
}

#[test]
fn files_without_a_service_are_not_checked() {
    let report = Folder::new(&[("compose.yml", "services:\n  db: {image: postgres}\n")]).lint();
    assert_eq!(exit(&report), Exit::Incomplete);
    assert!(report.human().contains("no service on the chassis"));
    let chart = Folder::new(&[
        ("chart/Chart.yaml", "name: a\n"),
        ("chart/templates/a.yaml", "{{ a }}\n"),
    ]);
    let report = chart.lint();
    assert_eq!(exit(&report), Exit::Incomplete);
    assert!(report.human().contains("helm template"));
    assert_eq!(report.not_checked.len(), 1);
}

#[test]
fn waived_finding_does_not_count() {
    let stack = STACK.replace("15s", "8s");
    let folder = Folder::new(&[("compose.yml", &stack), ("prod.env", ENV)]);
    let file = folder.0.join("plimsoll.toml");
    let year = 1970
        + std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_secs()
            / 31_556_952;
    let waiver = |check: &str| {
        format!("[[waiver]]\ncheck = \"{check}\"\nreason = \"OPS-1\"\nuntil = {year}-12-31\n")
    };
    fs::write(
        &file,
        waiver("GRACE") + &waiver("IDLE") + &waiver("MET-5:falls"),
    )
    .unwrap();
    let report = folder.lint_with(Waiver::read(Some(&file)).unwrap());
    assert_eq!(exit(&report), Exit::Success, "{}", report.human());
    assert_eq!(report.waived.len(), 1);
    // Those of other commands are not unused.
    assert_eq!(report.unused.len(), 1);
    assert!(sarif(&report).contains("\"justification\": \"OPS-1\""));
}

#[test]
fn argument_of_an_unknown_kind_is_an_error() {
    let folder = Folder::new(&[("a.txt", "hello\n")]);
    for (name, what) in [("a.txt", "expected a file of"), ("b.yml", "No such file")] {
        let report = lint(&[folder.0.join(name)], None, Vec::new()).unwrap();
        assert_eq!(exit(&report), Exit::Usage);
        assert!(report.human().contains(what), "{}", report.human());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_linted_without_a_panic(bytes in any::<Vec<u8>>(), at in 0..1000_usize) {
        let cut = |text: &str| {
            let mut file = text.as_bytes()[..at.min(text.len())].to_vec();
            file.extend_from_slice(&bytes);
            file.extend_from_slice(&text.as_bytes()[at.min(text.len())..]);
            file
        };
        let folder = Folder::new(&[]);
        fs::create_dir_all(&folder.0).unwrap();
        let files = [("pod.yaml", POD), ("compose.yml", STACK), ("prod.env", ENV), ("a.conf", NGINX), ("a.cfg", HAPROXY), ("a.service", UNIT)];
        for (name, text) in files {
            fs::write(folder.0.join(name), cut(text)).unwrap();
        }
        let report = folder.lint();
        prop_assert!(!report.human().is_empty() && !report.json().is_empty() && !sarif(&report).is_empty());
    }
}
