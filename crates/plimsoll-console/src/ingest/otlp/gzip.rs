//! Unpacks a body of gzip, up to a limit.
//!
//! A body can grow a thousandfold.
//! The buffer grows with what was unpacked, and unpacking stops one byte after the limit.

use std::io::{self, Read as _};

use flate2::read::MultiGzDecoder;

/// The part by which the buffer grows.
const STEP: usize = 256 << 10;

/// A body that cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error("the body has more than {0} bytes when it is unpacked")]
    TooLarge(usize),
    #[error("the body is no valid gzip: {0}")]
    Invalid(io::Error),
}

/// Unpacks all members of a gzip file, up to `limit` bytes.
///
/// # Errors
///
/// If the body is invalid or truncated, or larger than the limit.
pub(crate) fn unpack(packed: &[u8], limit: usize) -> Result<Vec<u8>, UnpackError> {
    let mut plain = Vec::new();
    unpack_into(&mut plain, packed, limit)?;
    Ok(plain)
}

fn unpack_into(plain: &mut Vec<u8>, packed: &[u8], limit: usize) -> Result<(), UnpackError> {
    let mut decoder = MultiGzDecoder::new(packed);
    let mut part = vec![0; STEP.min(limit + 1)];
    loop {
        let length = match decoder.read(&mut part) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(UnpackError::Invalid(error)),
        };
        if length > limit - plain.len() {
            return Err(UnpackError::TooLarge(limit));
        }
        if plain.capacity() - plain.len() < length {
            // Doubled, but never beyond the limit.
            let more = plain.len().clamp(length, limit - plain.len());
            plain.reserve_exact(more.max(length));
        }
        plain.extend_from_slice(&part[..length]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn pack(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn members_are_unpacked_in_order() {
        let packed = [pack(b"one "), pack(&[]), pack(b"two")].concat();
        assert_eq!(unpack(&packed, 7).unwrap(), b"one two");
        assert!(matches!(unpack(&packed, 6), Err(UnpackError::TooLarge(6))));
    }

    #[test]
    fn truncated_or_damaged_body_is_rejected() {
        let mut packed = pack(&[7; 1000]);
        for length in 0..packed.len() {
            let is_invalid = matches!(
                unpack(&packed[..length], 1000),
                Err(UnpackError::Invalid(_))
            );
            assert!(is_invalid, "{length}");
        }
        let checksum = packed.len() - 8;
        packed[checksum] ^= 1;
        assert!(matches!(
            unpack(&packed, 1000),
            Err(UnpackError::Invalid(_))
        ));
    }

    #[test]
    fn compression_bomb_is_rejected_in_bounded_memory() {
        const LIMIT: usize = 4 << 20;
        // 1 GiB in 1 MiB: the same members again and again.
        let packed = pack(&vec![0; 16 << 20]).repeat(64);
        assert!(packed.len() < 2 << 20);
        let mut plain = Vec::new();
        let result = unpack_into(&mut plain, &packed, LIMIT);
        assert!(matches!(result, Err(UnpackError::TooLarge(LIMIT))));
        assert!(plain.capacity() <= LIMIT, "{}", plain.capacity());
    }
}
