//! The log: JSON records, one per line, through one pipe to stdout.
//!
//! ```text
//! access record (edge) ─┐
//! tracing event (layer) ├─▶ Record → bytes ─▶ Pipe (bounded, per thread) ─▶ writer thread ─▶ fd 1
//! panic (hook)          ┘
//! ```
//!
//! # Comparison with the writer of `tracing-subscriber`
//!
//! A service that writes to stdout directly stops when the reader of its log stops. The pipe fills, one
//! thread blocks in `write` with the lock of stdout, and all other threads wait for that lock. Here
//! the thread of a request appends to memory only. One thread owns the descriptor.
//!
//! # Invariants
//!
//! * Only the writer thread writes to fd 1 (contract LOG-1).
//! * No producer waits for the descriptor (LOG-11).
//! * `written + dropped = produced` whenever the pipe is empty, and at the end (LOG-12).
//!
//! # Related modules
//!
//! The edge defines the fields of the access record.

mod escape;
mod events;
mod levels;
mod log;
mod panic;
mod pipe;
mod recent;
pub(crate) mod record;
mod redact;
mod spans;
mod thread;

#[cfg(feature = "otlp")]
pub(crate) use self::events::{FieldText, plain_name};
pub(crate) use self::{
    escape::{escape_cut, json_string, json_text},
    panic::{CaughtPanic, catch, count_hooked_panics, quietly},
    pipe::Priority,
    recent::ErrorGroup,
    record::{Key, PreparedFields, Record, RecordHead, key, push_start},
    redact::Redaction,
    thread::thread_index,
};
pub use self::{
    events::EventLayer,
    log::Log,
    panic::install_panic_hook,
    pipe::{Output, Totals},
};

/// The maximum length of a request method in records and spans, in bytes.
pub(crate) const MAX_METHOD: usize = 32;
