//! The timeouts of requests, connections and the shutdown.

use std::time::Duration;

use crate::config::{
    reader::{Invalid, Reader},
    value::DurationOrOff,
};

/// A head is a few packets. A client that needs longer has a very slow line, or attacks.
const DEFAULT_READ: &str = "5s";
/// Longer than the 60 s for which common load balancers keep idle connections. So the balancer
/// closes first, and sends no request into a connection that is being closed.
const DEFAULT_IDLE: &str = "120s";
/// A client that reads nothing for this long is disconnected or malicious.
const DEFAULT_WRITE: &str = "30s";
/// The default of Gunicorn, so that a profile without it has the same meaning here.
const DEFAULT_REQUEST: &str = "30s";
/// With the drain delay and 3 s for the flush, well within the 30 s of Kubernetes.
const DEFAULT_SHUTDOWN: &str = "5s";
/// Outside Kubernetes, no load balancer is known that must observe the readiness first.
const DEFAULT_DRAIN_DELAY: &str = "0s";
/// The time in which the endpoints of a Kubernetes service usually follow the end of a pod.
const KUBERNETES_DRAIN_DELAY: &str = "5s";
/// Balancers that distribute requests, not connections, need no limit.
const DEFAULT_CONNECTION_AGE: &str = "0s";

/// Timeouts. `None` is no limit.
pub(super) struct Timeouts {
    pub(super) read: Duration,
    pub(super) idle: Duration,
    pub(super) write: Duration,
    pub(super) request: Option<Duration>,
    pub(super) shutdown: Duration,
    pub(super) drain_delay: Duration,
    pub(super) connection_age: Option<Duration>,
}

/// Reads the settings `*_TIMEOUT`, `DRAIN_DELAY` and `MAX_CONNECTION_AGE`.
pub(super) fn read(from: &mut Reader<'_>) -> Result<Timeouts, Invalid> {
    let read = from
        .setting(
            "READ_TIMEOUT",
            "Time for the whole head of a request, and between two reads of its body.",
        )
        .default(DEFAULT_READ)
        .read::<Duration>();
    let idle = from
        .setting(
            "IDLE_TIMEOUT",
            "Time that a kept-alive connection may wait for a request.",
        )
        .alias("GUNICORN_KEEPALIVE")
        // With 0, Gunicorn closes each connection after one response.
        .alias_zero("1s")
        .default(DEFAULT_IDLE)
        .read::<Duration>();
    let write = from
        .setting(
            "WRITE_TIMEOUT",
            "Time in which a client reads nothing of its response before its connection is closed.",
        )
        .default(DEFAULT_WRITE)
        .read::<Duration>();
    let request = from
        .setting(
            "REQUEST_TIMEOUT",
            "Time for a handler until the head of its response; after it the response is 503.",
        )
        .alias("GUNICORN_TIMEOUT")
        .default(DEFAULT_REQUEST)
        .read::<DurationOrOff>();
    let shutdown = from
        .setting(
            "SHUTDOWN_TIMEOUT",
            "Time for requests in flight to finish after the listener is closed.",
        )
        .alias("GUNICORN_GRACEFUL_TIMEOUT")
        .alias_zero("1ms")
        .default(DEFAULT_SHUTDOWN)
        .read::<Duration>();
    let default_drain_delay = if from.is_set("KUBERNETES_SERVICE_HOST") {
        KUBERNETES_DRAIN_DELAY
    } else {
        DEFAULT_DRAIN_DELAY
    };
    let drain_delay = from
        .setting(
            "DRAIN_DELAY",
            "Time at the shutdown in which the service still accepts connections while `/ready` \
             is 503, so that load balancers observe it.",
        )
        .default_from("0s; 5s in Kubernetes", default_drain_delay)
        .example("5s")
        .read::<DurationOrOff>();
    let connection_age = from
        .setting(
            "MAX_CONNECTION_AGE",
            "Age, ± 10 %, from which a connection is closed after its next response, so that new \
             instances get connections. 0 is off.",
        )
        .default(DEFAULT_CONNECTION_AGE)
        .example("5m")
        .read::<DurationOrOff>();
    Ok(Timeouts {
        read: read?,
        idle: idle?,
        write: write?,
        request: request?.get(),
        shutdown: shutdown?,
        drain_delay: drain_delay?.get().unwrap_or_default(),
        connection_age: connection_age?.get(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::tests::{seconds, try_with, with};

    #[test]
    fn zero_turns_off_request_timeout_and_drain_delay() {
        let config = with(&[("REQUEST_TIMEOUT", "0"), ("DRAIN_DELAY", "0s")]);
        assert_eq!(config.request_timeout, None);
        assert_eq!(config.drain_delay, Duration::ZERO);
        for name in [
            "READ_TIMEOUT",
            "IDLE_TIMEOUT",
            "WRITE_TIMEOUT",
            "SHUTDOWN_TIMEOUT",
            "MAX_BODY_BYTES",
        ] {
            let errors = try_with(&[(name, "0")]).unwrap_err();
            assert_eq!(errors.problems()[0].variable(), name);
        }
    }

    #[test]
    fn drain_delay_is_longer_in_kubernetes() {
        let kubernetes = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");
        assert_eq!(with(&[kubernetes]).drain_delay, seconds(5));
        assert_eq!(
            with(&[kubernetes, ("DRAIN_DELAY", "0")]).drain_delay,
            seconds(0)
        );
        assert_eq!(with(&[(kubernetes.0, "")]).drain_delay, seconds(0));
    }
}
