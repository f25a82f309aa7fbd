//! What holds for any bytes that a connection may begin with: for the fuzzer, and for the replay of
//! what it has found.
//!
//! Each check compares with a reading of its own, which has all bytes at once and no hurry.

mod frames;
mod framing;
mod proxy_protocol;

pub(crate) use self::{frames::frames, framing::framing, proxy_protocol::proxy_protocol};

/// Some ways to cut `bytes`: not at all, everywhere, in two, and in pieces of changing length.
///
/// The places follow from the bytes, so that an input is all that a finding needs.
fn cuts(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let hash = |start: u64| {
        bytes.iter().fold(start, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let mut random = hash(0xcbf2_9ce4_8422_2325);
    let mut below = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % (limit as u64).max(1)).unwrap_or(0)
    };
    let middle = below(bytes.len() + 1);
    let mut uneven = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((1 + below(40)).min(rest.len()));
        uneven.push(piece);
        rest = behind;
    }
    vec![
        vec![bytes],
        bytes.chunks(1).collect(),
        vec![&bytes[..middle], &bytes[middle..]],
        uneven,
    ]
}
