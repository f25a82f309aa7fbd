//! nginx and HAProxy: timeouts that `plimsoll lint` does not read, because they bound the other direction.

use crate::files::{directive, text};

#[test]
fn both_directions_have_the_same_timeout() {
    let nginx = text("deploy/nginx/service.conf");
    let haproxy = text("deploy/haproxy/haproxy.cfg");
    let pairs = [
        (&nginx, "proxy_send_timeout", "proxy_read_timeout"),
        (&haproxy, "timeout client", "timeout server"),
    ];
    for (file, one, other) in pairs {
        assert_eq!(directive(file, one), directive(file, other), "{one}");
    }
}
