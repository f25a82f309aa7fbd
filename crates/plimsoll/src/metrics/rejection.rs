//! Reasons for which connections are evicted or rejected at the connection limit.

use super::causes::causes;

causes! {
    /// Why a connection was closed at `MAX_CONNECTIONS` (contract SRV-4).
    Rejection {
        /// Evicted: it had no complete request head.
        NoRequest = "no_request",
        /// Evicted: it had been idle for the longest time.
        Idle = "idle",
        /// Rejected: all connections and the probe reserve were in use.
        Full = "full",
    }
}
