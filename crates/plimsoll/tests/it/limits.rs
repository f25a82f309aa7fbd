//! Limits: timeouts, bodies, requests in flight, connections and descriptors.

mod bodies;
mod connection_timeouts;
mod connections;
mod descriptors;
mod request_timeouts;
mod slots;
mod slow_uploads;
mod unread_responses;

use std::time::Duration;

/// No limit that a test sets to some hundred milliseconds may take this long, on the slowest
/// machine.
const LATE: Duration = Duration::from_secs(4);
