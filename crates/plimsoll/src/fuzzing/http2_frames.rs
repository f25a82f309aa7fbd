//! Compares the incremental HTTP/2 frame reader with a reader of the whole input.

use super::cuts::cuts;
use crate::{connection::HeadProgress, server::http2::Frames};

/// The length of the connection preface, which is skipped.
const PREFACE: usize = 24;

/// The number of bytes up to which the result is checked after each piece.
const CHECK_EACH: usize = 512;

/// Reads `bytes` after a preface, cut in some ways.
///
/// # Panics
///
/// If the result is not that of the reference reader, or depends on the cuts.
pub(super) fn check(bytes: &[u8]) {
    let bytes = [&[0; PREFACE][..], bytes].concat();
    for pieces in cuts(&bytes) {
        let mut frames = Frames::new();
        let mut seen = 0;
        // An empty piece, which is no read, leaves it.
        let mut is_partial = false;
        for piece in pieces {
            let mut rest = piece;
            while !rest.is_empty() {
                let (head, count) = frames.follow(rest);
                is_partial = head != HeadProgress::Complete;
                rest = &rest[count..];
                assert!(rest.is_empty() || frames.is_spent(), "stopped in a turn");
                frames.begin_turn();
            }
            seen += piece.len();
            if seen == bytes.len() || seen < CHECK_EACH {
                let expected = is_incomplete(&bytes[..seen]);
                assert_eq!(is_partial, expected, "after {seen} bytes");
            }
        }
    }
}

/// Whether `bytes` end inside a head (RFC 9113, sections 4.1, 6.2 and 6.10).
fn is_incomplete(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(PREFACE..).unwrap_or_default();
    let mut is_open = false;
    while let Some((header, behind)) = rest.split_at_checked(9) {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let is_of_a_head = header[3] == 1 || header[3] == 9;
        let Some((_, next)) = behind.split_at_checked(length) else {
            return is_open || is_of_a_head;
        };
        if is_of_a_head {
            is_open = header[4] & 4 == 0;
        }
        rest = next;
    }
    is_open
}
