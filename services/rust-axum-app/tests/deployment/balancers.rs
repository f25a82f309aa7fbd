//! nginx and HAProxy: their times against those of the service behind them.

use crate::files::{directive, path, text};
use crate::settings::{Environment, Settings, seconds};

/// What docs and manifests say for a service behind a balancer that asks `/ready`.
const DRAIN_DELAY: f64 = 5.0;

#[track_caller]
fn settings(profile: &str) -> Settings {
    let profile = path(&format!("services/rust-axum-app/.env.{profile}"));
    Settings::of(&profile, &Environment::new())
}

#[test]
fn a_balancer_is_more_patient_than_the_service() {
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
fn a_balancer_closes_idle_connections_before_the_service_does() {
    for (upstream, profile) in [("host", "prod"), ("compose", "int")] {
        let nginx = text(&format!("deploy/nginx/upstream.{upstream}.conf"));
        let limit = settings(profile).seconds("IDLE_TIMEOUT");
        assert!(
            seconds(directive(&nginx, "keepalive_timeout")) < limit,
            "{upstream}"
        );
    }
    let server = check_of_haproxy("pool-purge-delay");
    assert!(server < settings("int").seconds("IDLE_TIMEOUT"));
}

#[test]
fn haproxy_notices_an_end_within_the_drain_delay() {
    let haproxy = text("deploy/haproxy/haproxy.cfg");
    let limit = seconds(directive(&haproxy, "timeout check"));
    let noticed = check_of_haproxy("inter") * check_of_haproxy("fall") + limit;
    assert!(noticed < DRAIN_DELAY, "{noticed} s");
}

#[test]
fn a_body_is_refused_by_nginx_where_the_service_would_refuse_it() {
    let nginx = text("deploy/nginx/service.conf");
    let size = directive(&nginx, "client_max_body_size");
    assert_eq!(
        size.replace('m', "MiB"),
        settings("prod").text("MAX_BODY_BYTES")
    );
}

/// A word of HAProxy's line `default-server`, in seconds or as a count.
#[track_caller]
fn check_of_haproxy(word: &str) -> f64 {
    let haproxy = text("deploy/haproxy/haproxy.cfg");
    let mut words = directive(&haproxy, "default-server").split(' ');
    assert!(words.any(|other| other == word), "{word} is not set");
    seconds(words.next().expect("a value"))
}
