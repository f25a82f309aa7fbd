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
                    "MAX_IN_FLIGHT: 1000, IDLE_TIMEOUT: 60s",
                )
                .replace(
                    "environment:\n      MAX_IN_FLIGHT: 1000, IDLE_TIMEOUT: 60s",
                    "environment: {MAX_IN_FLIGHT: 1000, IDLE_TIMEOUT: 60s}",
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
}

#[test]
fn location_for_some_clients_is_not_public() {
    let own = "    location /metrics {\n        proxy_pass http://shop;\n        proxy_read_timeout 35s;\n";
    let without = NGINX.replace("metrics|", "");
    for rule in [
        "allow 10.0.0.0/8;\n deny all;\n",
        "auth_basic staff;\n",
        "internal;\n",
    ] {
        let location = format!("server {{\n{own}{rule}    }}\n");
        let nginx = without.replacen("server {\n    loc", &format!("{location}    loc"), 1);
        good(&[STACK_FILES[0], STACK_FILES[1], ("a.conf", &nginx)]);
    }
    let open = without.replacen(
        "server {\n    loc",
        &format!("server {{\n{own}    }}\n    loc"),
        1,
    );
    bad(
        &[STACK_FILES[0], STACK_FILES[1], ("a.conf", &open)],
        "PUBLIC",
        "a.conf:8",
    );
}

#[test]
fn location_is_chosen_as_nginx_does() {
    // `^~` wins over regular expressions, and an open one also matches longer paths.
    let first = changed(
        &PROXY_FILES,
        "location /",
        "location ^~ /",
        "PUBLIC",
        "a.conf:8",
    );
    assert!(first.message.contains("/metrics"), "{}", first.message);
    let open = NGINX.replace(
        "|healthz|livez|ready|readyz|startupz)$",
        "|livez|ready|startupz)",
    );
    good(&[STACK_FILES[0], STACK_FILES[1], ("a.conf", &open)]);
}

pub(super) const INGRESS: &str = "\
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  rules:
    - http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: shop}}}
";

const ROUTE: &str = "\
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  rules:
    - matches: [{path: {type: PathPrefix, value: /}}]
      backendRefs: [{name: shop}]
";

#[test]
fn ingress_that_passes_on_every_path_is_public() {
    #[track_caller]
    fn check(objects: &str, place: &str) {
        bad(&[("pod.yaml", &format!("{POD}{objects}"))], "PUBLIC", place);
    }
    check(INGRESS, "pod.yaml:42");
    check(ROUTE, "pod.yaml:41");
    check(
        &ROUTE.replace(
            "matches: [{path: {type: PathPrefix, value: /}}]",
            "filters: []",
        ),
        "pod.yaml:41",
    );
    // A condition on headers leaves the path to the other rule.
    let header = "    - matches: [{path: {value: /metrics}, headers: [{name: a, value: b}]}]\n";
    check(&format!("{ROUTE}{header}"), "pod.yaml:41");
}

#[test]
fn ingress_with_other_routes_for_probes_is_not_public() {
    #[track_caller]
    fn check(objects: &str) {
        good(&[("pod.yaml", &format!("{POD}{objects}"))]);
    }
    check(&INGRESS.replace("path: /", "path: /api"));
    let paths = [
        "/metrics",
        "/health",
        "/healthz",
        "/livez",
        "/ready",
        "/readyz",
        "/startupz",
    ];
    let backend = "backend: {service: {name: none}}";
    let paths_of = |line: &dyn Fn(&str) -> String| paths.map(line).concat();
    let exact =
        paths_of(&|path| format!("          - {{path: {path}, pathType: Exact, {backend}}}\n"));
    check(&format!("{INGRESS}{exact}"));
    // Another object for the same host.
    let other = INGRESS
        .replace("name: shop}\n", "name: none}\n")
        .replace("name: shop", "name: none");
    let other = format!(
        "{}{exact}",
        other.split_inclusive('\n').take(8).collect::<String>()
    );
    check(&format!("{INGRESS}{other}"));
    let rules = paths_of(&|path| format!("    - matches: [{{path: {{value: {path}}}}}]\n"));
    check(&format!("{ROUTE}{rules}"));
}

/// Returns the Ingress with an annotation of ingress-nginx.
fn annotated(name: &str, value: &str) -> String {
    let annotations = format!(
        "name: shop, annotations: {{nginx.ingress.kubernetes.io/{name}: '{value}'}}}}\nspec"
    );
    INGRESS.replace("name: shop}\nspec", &annotations)
}

#[test]
fn ingress_with_restrictions_is_not_public() {
    #[track_caller]
    fn check(name: &str, value: &str, is_hidden: bool) {
        let objects = format!("{POD}{}", annotated(name, value));
        if is_hidden {
            good(&[("pod.yaml", &objects)]);
        } else {
            bad(&[("pod.yaml", &objects)], "PUBLIC", "pod.yaml:42");
        }
    }
    const ALL: &str = "(metrics|health|healthz|livez|ready|readyz|startupz)";
    check("auth-type", "basic", true);
    check("auth-url", "https://auth.example.com", true);
    check("whitelist-source-range", "10.0.0.0/8, 192.168.0.1", true);
    check("whitelist-source-range", "10.0.0.0/8, 0.0.0.0/0", false);
    check("allowlist-source-range", "10.0.0.0/8", true);
    check("allowlist-source-range", "0.0.0.0/1,128.0.0.0/1", false);
    check("proxy-buffering", "on", false);
    let location = format!("location ~ ^/{ALL}$ {{ return 404; }}");
    check("server-snippet", &location, true);
    check(
        "server-snippet",
        &location.replace("return 404", "deny all"),
        true,
    );
    check(
        "server-snippet",
        &location.replace("return 404", "proxy_pass http://a"),
        false,
    );
    check(
        "server-snippet",
        "location /other { return 301 /metrics; }",
        false,
    );
    check("configuration-snippet", "return 301 /;", true);
    check(
        "configuration-snippet",
        "more_set_headers \"A: return /metrics /health\";",
        false,
    );
    let condition = format!("if ($uri ~ \"^/{ALL}$\") {{ return 301 /; }}");
    check("configuration-snippet", &condition, true);
    check(
        "configuration-snippet",
        &condition.replace("return 301 /", "set $a b"),
        false,
    );
    check(
        "configuration-snippet",
        "if ($uri ~ ^/other) { return 301 /metrics; }",
        false,
    );
    check("server-snippet", "location / {", false);
}

#[test]
fn patterns_of_routes_are_evaluated() {
    let with_patterns = annotated("use-regex", "true");
    let at = |objects: &str, path: &str| format!("{POD}{}", objects.replace("path: /,", path));
    for (path, is_public) in [
        ("path: /(api|m.*s),", true),
        ("path: /api/.*,", false),
        ("path: /(?!api),", true),
    ] {
        let objects = at(&with_patterns, path);
        match is_public {
            true => drop(bad(&[("pod.yaml", &objects)], "PUBLIC", "pod.yaml:42")),
            false => good(&[("pod.yaml", &objects)]),
        }
        // Without the annotation, it is a literal text.
        good(&[("pod.yaml", &at(INGRESS, path))]);
    }
    // A longer pattern of another Service comes first.
    let other = "          - {path: '/(metrics|health.*|livez|ready.*|startupz)', backend: {service: {name: none}}}\n";
    good(&[("pod.yaml", &format!("{POD}{with_patterns}{other}"))]);
    let pattern = |value| {
        let route = ROUTE.replace(
            "type: PathPrefix, value: /",
            "type: RegularExpression, value: VALUE",
        );
        format!("{POD}{}", route.replace("VALUE", value))
    };
    good(&[("pod.yaml", &pattern("'/api|/metric'"))]);
    bad(
        &[("pod.yaml", &pattern("'/api|/m.*'"))],
        "PUBLIC",
        "pod.yaml:41",
    );
}
