//! PROBE, PORTS, MEMORY, FILES, SECRET and CONFIG: one service and its platform.

use super::{files::*, *};

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
fn invalid_setting_is_a_finding() {
    changed(
        &STACK_FILES,
        "TIMEOUT=5s",
        "TIMEOUT=5 fortnights",
        "CONFIG",
        "prod.env:2",
    );
}
