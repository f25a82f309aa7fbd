//! Reads the metrics of running services.
//!
//! * [`Target`] names an instance; [`Source`] finds its `/metrics` and fetches it.
//! * [`samples`] reads the text: unreadable lines are reported, and the others are kept.
//! * [`Window`] turns counters into increases over a time, [`quantile()`] buckets into a quantile.
//!
//! A missing value is `None` and never zero.
//! Nothing here depends on the chassis, so services in other languages are read, too.

mod fetch;
mod quantile;
mod source;
mod target;
mod text;
mod window;

#[cfg(target_os = "linux")]
mod discovery;

pub use self::{
    fetch::FetchError,
    quantile::{Quantile, quantile},
    source::{NoSource, ScrapeError, Source},
    target::{InvalidTarget, Target},
    text::{Sample, Unreadable, samples},
    window::{Fall, Window},
};
