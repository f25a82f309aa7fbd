//! nginx and HAProxy: their timeouts against those of the service.

use crate::files::{directive, path, text};
use crate::settings::{Environment, Settings, seconds};

/// The value that docs and manifests recommend behind a load balancer that polls `/ready`.
const DRAIN_DELAY: f64 = 5.0;

#[track_caller]
fn settings(profile: &str) -> Settings {
    let profile = path(&format!("services/rust-axum-app/.env.{profile}"));
    Settings::of(&profile, &Environment::new())
}

#[test]
fn balancer_timeouts_exceed_the_request_timeout() {
    let nginx = text("deploy/nginx/service.conf");
    let haproxy = text("deploy/haproxy/haproxy.cfg");
    for profile in ["int", "prod"] {
        let limit = settings(profile).seconds("REQUEST_TIMEOUT");
        assert!(seconds(directive(&nginx, "proxy_read_timeout")) > limit);
        assert!(seconds(directive(&nginx, "proxy_send_timeout")) > limit);
        assert!(seconds(directive(&haproxy, "timeout server")) > limit);
        assert!(seconds(directive(&haproxy, "timeout client")) > limit);
    }
}

#[test]
fn balancer_closes_idle_connections_before_the_service() {
    for (upstream, profile) in [("host", "prod"), ("compose", "int")] {
        let nginx = text(&format!("deploy/nginx/upstream.{upstream}.conf"));
        let limit = settings(profile).seconds("IDLE_TIMEOUT");
        assert!(
            seconds(directive(&nginx, "keepalive_timeout")) < limit,
            "{upstream}"
        );
    }
    let purge_delay = haproxy_server_option("pool-purge-delay");
    assert!(purge_delay < settings("int").seconds("IDLE_TIMEOUT"));
}

#[test]
fn haproxy_detects_a_shutdown_within_the_drain_delay() {
    let haproxy = text("deploy/haproxy/haproxy.cfg");
    let limit = seconds(directive(&haproxy, "timeout check"));
    let detection = haproxy_server_option("inter") * haproxy_server_option("fall") + limit;
    assert!(detection < DRAIN_DELAY, "{detection} s");
}

#[test]
fn nginx_body_limit_matches_max_body_bytes() {
    let nginx = text("deploy/nginx/service.conf");
    let size = directive(&nginx, "client_max_body_size");
    assert_eq!(
        size.replace('m', "MiB"),
        settings("prod").text("MAX_BODY_BYTES")
    );
}

/// Returns an option of HAProxy's line `default-server`, in seconds or as a count.
#[track_caller]
fn haproxy_server_option(word: &str) -> f64 {
    let haproxy = text("deploy/haproxy/haproxy.cfg");
    let mut words = directive(&haproxy, "default-server").split(' ');
    assert!(words.any(|other| other == word), "{word} is not set");
    seconds(words.next().expect("a value"))
}
