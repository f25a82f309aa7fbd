//! Probes: health, readiness and the admin listener.

mod admin_listener;
mod endpoints;
