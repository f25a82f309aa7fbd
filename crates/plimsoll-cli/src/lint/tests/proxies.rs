//! PATIENCE, IDLE, BODY, TRUST and PUBLIC: a service behind a proxy.

use super::{files::*, *};

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
