//! Everything the process says: JSON records, one a line, through one pipe to stdout.
//!
//! ```text
//! access record (edge) ─┐
//! tracing event (layer) ├─▶ Record → bytes ─▶ Pipe (bounded, per thread) ─▶ writer thread ─▶ fd 1
//! panic (hook)          ┘
//! ```
//!
//! # Why not `tracing-subscriber`'s own writer
//!
//! A service that logs to stdout by itself stops when the reader of its log stops: the pipe fills,
//! one thread blocks in `write` holding the lock of stdout, and every other thread queues behind
//! it. Here a request's thread only ever appends to memory; one thread owns the descriptor.
//!
//! # Invariants
//!
//! * Nothing but the writer thread writes to fd 1 (contract LOG-1).
//! * No producer waits for the descriptor (LOG-11).
//! * `written + dropped = produced`, at every moment at which the pipe is empty, and at the end
//!   (LOG-12).
//!
//! # Not here
//!
//! What an access record contains is the business of the edge, which handles requests.

mod escape;
mod events;
mod log;
mod mask;
mod panic;
mod pipe;
pub(crate) mod record;
mod redact;
mod spans;
mod thread;

#[cfg(feature = "otlp")]
pub(crate) use self::events::{FieldText, plain_name};
pub(crate) use self::{
    escape::{escape_cut, json_string, json_text},
    mask::mask,
    panic::{CaughtPanic, catch, count_hooked_panics, quietly},
    pipe::Priority,
    record::{Key, PreparedFields, Record, RecordHead, key},
    redact::Redaction,
    thread::thread_index,
};
pub use self::{
    events::EventLayer,
    log::Log,
    panic::install_panic_hook,
    pipe::{Output, Totals},
};
