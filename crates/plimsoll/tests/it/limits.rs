//! Limits: timeouts, bodies, requests in flight, connections and descriptors.

mod bodies;
mod connection_age;
mod connection_timeouts;
mod connections;
mod descriptors;
mod parked_connections;
mod request_timeouts;
mod slots;
mod slow_uploads;
mod unread_responses;

use std::time::Duration;

/// The upper bound for a timeout of a few hundred milliseconds on a slow machine.
const LATE: Duration = Duration::from_secs(4);
