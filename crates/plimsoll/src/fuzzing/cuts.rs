//! Ways to cut an input into reads.

/// Returns some ways to cut `bytes`: not at all, at each byte, in two, and in pieces of varying
/// length.
///
/// The cuts depend on the bytes alone, so a finding is reproduced from its input.
pub(super) fn cuts(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
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
