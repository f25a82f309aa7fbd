//! The edge: everything between a connection and the router, in one service and one future.
//!
//! ```text
//! admit                clock · request id · client address · guard · head checks · probes · slot
//!   → Handler          the application's router, inside a deadline and a panic guard
//! ← ResponseFuture     request id, security headers, `Connection: close` during a drain
//! ← ResponseBody       the last byte, or the drop, ends the request: one count, one record
//! ```
//!
//! One future keeps the steps in order, and the order matters. The id is assigned before any step
//! that can fail. The guard begins before any step that can answer, so a rejected request is counted
//! and logged like any other.
//!
//! # Invariants
//!
//! * Every admitted request ends in exactly one count and, unless it is a probe, in one record.
//!   [`request_guard::RequestGuard`] writes both, at the latest when it is dropped.
//! * The response of a handler is never rewritten. The edge answers in its place only if the handler
//!   was cancelled or has panicked.

pub(crate) mod access_log;
mod admission;
mod admit;
pub(crate) mod client_ip;
mod connected;
mod content;
mod control_path;
mod extract;
mod handler;
pub(crate) mod head_fields;
mod layer;
mod origin;
mod outside_request;
mod probes;
mod problem;
mod protocol_fault;
mod request_body;
pub(crate) mod request_guard;
pub(crate) mod request_id;
mod response;
mod response_body;
mod route;
mod route_label;
mod route_limits;
mod route_matcher;
#[cfg_attr(not(feature = "otlp"), path = "edge/span/disabled.rs")]
mod span;
mod stalled_responses;
mod state;
mod strict;

#[cfg(test)]
pub(crate) use self::control_path::CONTROL_PATHS;
#[cfg(any(test, fuzzing))]
pub(crate) use self::state::EdgeConnection;
pub(crate) use self::{
    connected::ConnectedEdge,
    control_path::control_label,
    probes::EndpointSet,
    problem::Problem,
    protocol_fault::classify_head_error,
    request_id::{HEADER as REQUEST_ID, is_valid as is_request_id},
    route::Routes,
    route_matcher::RouteMatcher,
    stalled_responses::{STALL, StalledResponse, StalledResponses},
    state::EdgeState,
    strict::{MAX_HEAD, asks_for_websocket},
};
pub use self::{
    extract::ClientIp,
    layer::{Edge, EdgeLayer},
    origin::{OriginRejection, RequestOrigin},
    outside_request::OutsideRequest,
    probes::ProbeAlias,
    response::ResponseFuture,
    response_body::ResponseBody,
    route_label::{RouteLabel, RouteLabelLayer},
    route_limits::{RouteLimits, RouteLimitsLayer},
};
