//! Connections that had to go for want of room, by reason.

use super::causes::causes;

causes! {
    /// Why a connection had to go at `MAX_CONNECTIONS` (contract SRV-4).
    Rejection {
        /// It had no complete head yet.
        NoRequest = "no_request",
        /// It was idle for longest.
        Idle = "idle",
        /// All others were busy, and so was the reserve.
        Full = "full",
    }
}
