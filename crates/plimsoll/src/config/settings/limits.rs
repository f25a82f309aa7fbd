//! The limits of connections, requests and request bodies.

use rustix::process::{Resource, getrlimit};

use super::process::cpus;
use crate::config::{
    reader::{Invalid, Reader},
    value::{ByteSize, within},
};

/// More idle connections than a load balancer keeps. Each of them takes memory.
const MAX_DEFAULT_CONNECTIONS: u64 = 10_000;
/// Descriptors of the process: standard streams, signals, listeners, the admin listener.
const PROCESS_DESCRIPTORS: u64 = 16;
/// Descriptors of each worker: two for its poll, two for signals, one for the shared listener.
const WORKER_DESCRIPTORS: u64 = 5;
/// Descriptors for files, the service's own clients, and connections above the limit that are
/// answered so that probes are. At most half of the descriptors that are left.
const SPARE_DESCRIPTORS: u64 = 256;
/// More than handlers that wait for one database can use. A longer queue would only add latency.
const DEFAULT_IN_FLIGHT: &str = "1024";
/// Enough for JSON. Routes with uploads have a limit of their own, in code.
const DEFAULT_BODY_BYTES: &str = "2MiB";

/// Limits. No connection limit is 0; 0 requests in flight is no limit.
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) in_flight: usize,
    pub(super) body_bytes: ByteSize,
}

/// Reads `MAX_CONNECTIONS`, `MAX_IN_FLIGHT` and `MAX_BODY_BYTES`.
///
/// The default of `MAX_CONNECTIONS` depends on the number of workers.
pub(super) fn read(
    from: &mut Reader<'_>,
    workers: Result<usize, Invalid>,
) -> Result<Limits, Invalid> {
    // The soft limit is raised to the hard limit at the start.
    let descriptors = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let workers = workers.unwrap_or_else(|_| cpus());
    let connections = from
        .setting(
            "MAX_CONNECTIONS",
            "Open connections. At the limit, a new connection evicts the oldest one without a \
             request, else the longest idle one.",
        )
        .default_from(
            "from the limit of open files, at most 10000",
            default_connections(descriptors, workers as u64).to_string(),
        )
        .example("5000")
        .read_with("a whole number from 1 to 1000000", within(1..=1_000_000));
    let in_flight = from
        .setting(
            "MAX_IN_FLIGHT",
            "Concurrent requests; further ones are answered with 503 immediately. 0 is off.",
        )
        .default(DEFAULT_IN_FLIGHT)
        .read::<usize>();
    let body_bytes = from
        .setting(
            "MAX_BODY_BYTES",
            "Longest request body that an extractor reads, unless the code sets a limit; a longer \
             one is answered with 413.",
        )
        .default(DEFAULT_BODY_BYTES)
        .read::<ByteSize>();
    Ok(Limits {
        connections: connections?,
        in_flight: in_flight?,
        body_bytes: body_bytes?,
    })
}

/// Nine tenths of the descriptors that neither the process nor the spare needs.
fn default_connections(descriptors: u64, workers: u64) -> u64 {
    let process = PROCESS_DESCRIPTORS + WORKER_DESCRIPTORS * workers;
    let available = descriptors.saturating_sub(process);
    let usable = available - SPARE_DESCRIPTORS.min(available / 2);
    (usable - usable.div_ceil(10)).clamp(1, MAX_DEFAULT_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_connections_follow_the_descriptors() {
        assert_eq!(default_connections(0, 1), 1);
        assert_eq!(default_connections(64, 4), 12);
        assert_eq!(default_connections(1024, 4), 658);
        assert_eq!(default_connections(4096, 4), 3423);
        assert_eq!(default_connections(u64::MAX, 1024), 10_000);
    }
}
