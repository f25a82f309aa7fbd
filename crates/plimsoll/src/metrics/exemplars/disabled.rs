//! Replaces `exemplars.rs` in builds without the feature `otlp`.
//!
//! There no request is recorded, so no bucket has an exemplar.

use super::RouteId;

/// No exemplars.
#[derive(Debug, Default)]
pub(super) struct Exemplars(());

impl Exemplars {
    pub(super) const fn all(&self) -> &Self {
        self
    }

    pub(super) const fn of(&self, _: RouteId, _: (u32, u16), _: usize) -> Option<&'static str> {
        None
    }
}
