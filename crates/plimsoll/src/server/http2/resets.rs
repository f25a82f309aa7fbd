//! Requests that h2 refuses by itself.
//!
//! A stream above the limit, or with a malformed request, gets RST_STREAM from h2, without an
//! event for its caller. So the frames that go out are checked for these (RFC 9113, 4.1 and 6.4).

use std::sync::Arc;

use crate::metrics::{ProtocolError, Registry};

/// Length, type, flags, stream.
const HEADER: usize = 9;

const RST_STREAM: u8 = 0x3;

const PROTOCOL_ERROR: u8 = 0x1;
const REFUSED_STREAM: u8 = 0x7;

/// Follows the frames that are sent, and counts the requests that are refused.
#[derive(Debug)]
pub(super) struct Resets {
    registry: Arc<Registry>,
    /// The header of the present frame, and the error code behind that of RST_STREAM.
    bytes: [u8; HEADER + 4],
    length: usize,
    /// What is still to come of the payload of another frame.
    payload: usize,
}

impl Resets {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            bytes: [0; HEADER + 4],
            length: 0,
            payload: 0,
        }
    }

    /// Follows bytes that were sent.
    pub(super) fn follow(&mut self, mut sent: &[u8]) {
        while !sent.is_empty() {
            if self.payload > 0 {
                let count = self.payload.min(sent.len());
                self.payload -= count;
                sent = &sent[count..];
                continue;
            }
            let wanted = if self.length < HEADER {
                HEADER
            } else {
                self.bytes.len()
            };
            let count = (wanted - self.length).min(sent.len());
            self.bytes[self.length..self.length + count].copy_from_slice(&sent[..count]);
            self.length += count;
            sent = &sent[count..];
            if self.length == self.bytes.len() {
                self.length = 0;
                self.count(self.bytes[HEADER + 3]);
            } else if self.length == HEADER {
                let [high, middle, low, kind, ..] = self.bytes;
                let length = u32::from_be_bytes([0, high, middle, low]) as usize;
                if kind != RST_STREAM || length != 4 {
                    self.length = 0;
                    self.payload = length;
                }
            }
        }
    }

    /// Other codes end requests that the edge has taken in, and accounts for.
    fn count(&self, code: u8) {
        let fault = match code {
            REFUSED_STREAM => ProtocolError::RefusedStream,
            PROTOCOL_ERROR => ProtocolError::StreamError,
            _ => return,
        };
        self.registry.protocol_errors.count(fault);
    }
}
