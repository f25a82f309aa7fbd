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
    let finding = changed(
        &pod,
        "port: 9090}}",
        "port: 9090}, timeoutSeconds: 11}",
        "PROBE",
        "pod.yaml:18",
    );
    assert_eq!(finding.severity, Severity::Warning);
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
    // Each connection can have a request.
    let off = ENV.to_owned() + "MAX_IN_FLIGHT=0\n";
    let files = [("compose.yml", STACK), ("prod.env", off.as_str())];
    let finding = bad(&files, "MEMORY", "compose.yml:9");
    let sum = finding.sum.unwrap();
    assert!(sum.contains("+ MAX_CONNECTIONS 4096"), "{sum}");
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
    // The file that has the value, not the one that refers to it.
    for variables in [
        "{A: b, ADMIN_TOKEN: '${TOKEN}'}",
        "[A=b, 'ADMIN_TOKEN=$TOKEN']",
    ] {
        let stack = STACK.replace(
            "\n      TRUSTED_PROXIES: 172.28.0.2",
            &format!(" {variables}"),
        );
        let files = [
            ("compose.yml", stack.as_str()),
            (
                "prod.env",
                "MAX_CONNECTIONS=4096\nTRUSTED_PROXIES=172.28.0.2\n",
            ),
            (".env", "A=b\nTOKEN=abc\n"),
        ];
        bad(&files, "SECRET", ".env:2");
    }
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

/// A pod without ports and probes that reads the same variables.
fn task(kind: &str, metadata: &str) -> String {
    let pod = "metadata: {labels: {app: shop}}, spec: {containers: [{name: shop, env: [\
        {name: MAX_IN_FLIGHT, value: '9'}, {name: IDLE_TIMEOUT, value: 5s}]}]}";
    let spec = match kind {
        "CronJob" => format!("{{jobTemplate: {{spec: {{template: {{{pod}}}}}}}}}"),
        "Pod" => {
            let (_, spec) = pod.split_once("spec: ").unwrap();
            spec.to_owned()
        }
        _ => format!("{{template: {{{pod}}}}}"),
    };
    format!(
        "---\napiVersion: v1\nkind: {kind}\nmetadata: {{{metadata}, labels: {{app: shop}}}}\nspec: {spec}\n"
    )
}

#[test]
fn pods_that_end_by_themselves_are_no_services() {
    let hook = "name: test, annotations: {helm.sh/hook: test}";
    for task in [
        task("Job", "name: migrate"),
        task("CronJob", "name: clean"),
        task("Pod", hook),
    ] {
        let folder = Folder::new(&[("pod.yaml", &format!("{POD}{task}"))]);
        let report = folder.lint();
        assert_eq!(exit(&report), Exit::Success, "{}", report.human());
        assert_eq!((report.services.len(), report.others), (1, 1), "{task}");
    }
}

#[test]
fn ports_of_udp_are_not_those_of_the_service() {
    let port = "containerPort: 8080}\n        - {name: dns, containerPort: 53, protocol: UDP}";
    let pod = POD.replace("containerPort: 8080}", port);
    good(&[(
        "pod.yaml",
        &pod.replace(
            "targetPort: http}",
            "targetPort: http}\n    - {port: 53, protocol: UDP}",
        ),
    )]);
    let short = "['8084:8080', '53:53/udp']";
    let long = "['8084:8080', {target: 53, published: 53, protocol: udp}]";
    for ports in [short, long] {
        let stack = STACK.replace("['8084:8080']", ports);
        good(&[("compose.yml", &stack), ("prod.env", ENV)]);
    }
}

#[test]
fn ports_of_compose_are_interpolated() {
    let files = [STACK_FILES[1], STACK_FILES[0], (".env", "TARGET=80\n")];
    for ports in [
        "['8084:${TARGET}']",
        "[{target: \"${TARGET}\", published: 8084}]",
    ] {
        changed(&files, "['8084:8080']", ports, "PORTS", "compose.yml:7");
    }
    let unknown = STACK.replace("['8084:8080']", "[{target: \"${OTHER}\"}]");
    good(&[("compose.yml", &unknown), ("prod.env", ENV)]);
}

#[test]
fn port_of_another_container_or_pod_is_not_expected() {
    let port = "    - {port: 80, targetPort: http}\n    - {port: 81, targetPort: TARGET}\n";
    let pod = POD.replace("    - {port: 80, targetPort: http}\n", port);
    let container = "  containers:\n    - {name: side, image: side}\n";
    let beside = pod.replace("  containers:\n", container);
    // A container need not declare its port, but a name must be declared.
    good(&[("pod.yaml", &beside.replace("TARGET", "15090"))]);
    let finding = bad(
        &[("pod.yaml", &beside.replace("TARGET", "web"))],
        "PORTS",
        "pod.yaml:35",
    );
    assert!(finding.message.contains("no port of the container"));
    let sidecar = "  initContainers:\n    - {name: side, restartPolicy: Always, ports: [{name: web, containerPort: 9}]}\n  containers:\n";
    let sidecar = pod.replace("  containers:\n", sidecar);
    good(&[("pod.yaml", &sidecar.replace("TARGET", "web"))]);
    let other = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: shop}}\n\
        spec: {containers: [{name: web, ports: [{name: web, containerPort: 9}]}]}\n";
    let two_pods = format!("{}{other}", pod.replace("TARGET", "web"));
    good(&[("pod.yaml", &two_pods)]);
}

#[test]
fn port_that_an_unread_source_can_set_is_no_finding() {
    let from = "      envFrom: [{configMapRef: {name: missing}}]\n      ports:\n";
    let pod = POD
        .replace("      ports:\n", from)
        .replace("containerPort: 8080", "containerPort: 9000");
    let report = Folder::new(&[("pod.yaml", &pod)]).lint();
    assert_eq!(report.findings.len(), 0, "{}", report.human());
    assert_eq!(report.assumed[0].value, "the ConfigMap missing");
    let set = "      env:\n        - {name: PORT, value: '8080'}\n";
    let pod = pod.replace("      env:\n", set);
    let report = Folder::new(&[("pod.yaml", &pod)]).lint();
    let rules: Vec<_> = report.findings.iter().map(|it| it.rule).collect();
    assert_eq!(rules, ["PORTS", "PROBE", "PORTS"], "{}", report.human());
}
