//! HTTP/2: the contract over streams, with prior knowledge and without TLS.

pub(crate) mod attacks;
pub(crate) mod client;
mod detection;
mod drain;
mod flow_control;
mod raw;
mod rejections;
mod requests;
mod tunnel;

const ON: (&str, &str) = ("HTTP2_CLEARTEXT", "true");

/// Returns the stream ids of a client.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|index| 2 * index + 1)
}
