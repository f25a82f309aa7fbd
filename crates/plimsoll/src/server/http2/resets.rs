//! A counter of requests that h2 rejects.
//!
//! h2 resets a stream above the limit, or with a malformed request, and does not report it to its
//! caller. So the sent frames are scanned for RST_STREAM (RFC 9113, 4.1 and 6.4).

use std::sync::Arc;

use super::frames::{FRAME_HEADER, payload_length};
use crate::metrics::{ProtocolError, Registry};

const RST_STREAM: u8 = 0x3;

const PROTOCOL_ERROR: u8 = 0x1;
const REFUSED_STREAM: u8 = 0x7;

/// Follows the frames that are sent, and counts rejected requests.
#[derive(Debug)]
pub(super) struct Resets {
    registry: Arc<Registry>,
    /// The header of the current frame, followed by the error code if it is RST_STREAM.
    bytes: [u8; FRAME_HEADER + 4],
    /// The number of `bytes` that have been sent.
    length: usize,
    /// The number of bytes of another frame's payload that are missing.
    payload: usize,
}

impl Resets {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            bytes: [0; FRAME_HEADER + 4],
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
            let wanted = if self.length < FRAME_HEADER {
                FRAME_HEADER
            } else {
                self.bytes.len()
            };
            let count = (wanted - self.length).min(sent.len());
            self.bytes[self.length..self.length + count].copy_from_slice(&sent[..count]);
            self.length += count;
            sent = &sent[count..];
            if self.length == self.bytes.len() {
                self.length = 0;
                self.count(self.bytes[FRAME_HEADER + 3]);
            } else if self.length == FRAME_HEADER {
                let [high, middle, low, kind, ..] = self.bytes;
                let length = payload_length([high, middle, low]);
                if kind != RST_STREAM || length != 4 {
                    self.length = 0;
                    self.payload = length;
                }
            }
        }
    }

    /// Counts a reset by its error code. Other codes end requests that the edge has counted.
    fn count(&self, code: u8) {
        let fault = match code {
            REFUSED_STREAM => ProtocolError::RefusedStream,
            PROTOCOL_ERROR => ProtocolError::StreamError,
            _ => return,
        };
        self.registry.protocol_errors.count(fault);
    }
}
