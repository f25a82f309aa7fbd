//! What holds for any head that a stranger may send: for the fuzzer, and for the replay of what it
//! has found.
//!
//! Each check compares with a reading of its own, which is naive on purpose.

mod access;
mod forwarded;
mod request_id;

pub(crate) use self::{access::access, forwarded::forwarded, request_id::request_id};
