//! Assigns request ids: a valid id of the client is kept, any other is replaced by a generated one.
//!
//! A generated id is 64 random bits of the thread, then a counter mapped by a bijection. Two ids of
//! one thread differ in the second half, ids of two threads or processes in the first (contract
//! RID-5). Generation uses no system call, no clock and no shared state.

use std::{
    cell::RefCell,
    hash::{BuildHasher as _, RandomState},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header::Entry};

use crate::request::{GENERATED, RequestId};

/// The header of requests and responses.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id of a client that is kept, in bytes (RID-2).
const MAX_LENGTH: usize = 128;

/// The id of a request.
#[derive(Debug)]
pub(crate) struct AssignedId {
    pub(crate) id: RequestId,
    /// The id as a header of the response.
    pub(crate) header: HeaderValue,
    /// The client sent an id that was not valid.
    pub(crate) replaced: bool,
}

/// Assigns the id of a request with these headers. Afterwards the headers contain that id only.
pub(crate) fn assign(headers: &mut HeaderMap) -> AssignedId {
    // One lookup for reading and writing: the lookup is the most expensive part.
    match headers.try_entry(HEADER) {
        Ok(Entry::Occupied(mut entry)) => {
            let is_only = entry.iter().nth(1).is_none();
            if is_only && is_valid(entry.get().as_bytes()) {
                let header = entry.get().clone();
                return AssignedId {
                    id: RequestId::sent(header.clone()),
                    header,
                    replaced: false,
                };
            }
            let assigned = AssignedId::generated(true);
            entry.insert(assigned.header.clone());
            assigned
        }
        Ok(Entry::Vacant(entry)) => {
            let assigned = AssignedId::generated(false);
            // Fails if the map is full. The head of a connection is too small to fill it.
            let _ = entry.try_insert(assigned.header.clone());
            assigned
        }
        // The map is full, as above.
        Err(_) => AssignedId::generated(false),
    }
}

impl AssignedId {
    fn generated(replaced: bool) -> Self {
        let (id, header) = with_generator(|ids| {
            let digits = ids.next();
            (RequestId::generated(digits), ids.header(&digits))
        });
        Self {
            id,
            header,
            replaced,
        }
    }
}

/// Whether a request may arrive with this id (contract RID-1).
pub(crate) fn is_valid(value: &[u8]) -> bool {
    let is_allowed = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b'-' | b':' | b'/' | b'+' | b'=')
    };
    (1..=MAX_LENGTH).contains(&value.len()) && value.iter().all(is_allowed)
}

/// Generates an id of 32 lower-case hexadecimal digits.
pub(crate) fn generate() -> RequestId {
    RequestId::generated(with_generator(IdGenerator::next))
}

fn with_generator<T>(work: impl Fn(&mut IdGenerator) -> T) -> T {
    thread_local! {
        static IDS: RefCell<IdGenerator> = RefCell::new(IdGenerator::new());
    }
    // An exiting thread has no locals any more, but may still reject a request.
    IDS.try_with(|ids| work(&mut ids.borrow_mut()))
        .unwrap_or_else(|_| work(&mut IdGenerator::new()))
}

/// The number of ids that share an allocation of 1 KiB.
///
/// The allocation lives as long as one of its ids, so a request of several hours keeps 1 KiB. In
/// return, the other ids need no allocation of their own.
const IDS_PER_ALLOCATION: usize = 32;

/// Generates the ids of one thread.
struct IdGenerator {
    /// The first half of all ids, in digits.
    prefix: [u8; 16],
    /// The counter of the second half. It begins at a random number.
    count: u64,
    /// Free memory for the next ids.
    buffer: BytesMut,
}

impl IdGenerator {
    fn new() -> Self {
        // The standard library seeds its hashers from the operating system. That is sufficient: ids
        // must be unique, not secret.
        let random = RandomState::new();
        let mut prefix = [0; 16];
        write_hex(&mut prefix, random.hash_one(1_u8));
        Self {
            prefix,
            count: random.hash_one(2_u8),
            buffer: BytesMut::new(),
        }
    }

    fn next(&mut self) -> [u8; GENERATED] {
        let mut hex = [0; GENERATED];
        let (left, right) = hex.split_at_mut(16);
        left.copy_from_slice(&self.prefix);
        write_hex(right, mix(self.count));
        self.count = self.count.wrapping_add(1);
        hex
    }

    /// Returns an id as a header, which needs no allocation of its own.
    fn header(&mut self, digits: &[u8; GENERATED]) -> HeaderValue {
        if self.buffer.capacity() < digits.len() {
            self.buffer = BytesMut::with_capacity(IDS_PER_ALLOCATION * digits.len());
        }
        self.buffer.extend_from_slice(digits);
        let value: Bytes = self.buffer.split().freeze();
        // Hexadecimal digits are always a valid value; the fallback is never taken.
        HeaderValue::from_maybe_shared(value).unwrap_or(HeaderValue::from_static("-"))
    }
}

/// SplitMix64's output function. As a bijection it maps different counts to different ids.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Writes 16 lower-case digits, eight at a time.
fn write_hex(out: &mut [u8], value: u64) {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    for (digits, half) in out
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip([value >> 32, value])
    {
        // Spread the eight nibbles to one byte each.
        let mut spread = half & 0xffff_ffff;
        spread = (spread << 16 | spread) & 0x0000_ffff_0000_ffff;
        spread = (spread << 8 | spread) & 0x00ff_00ff_00ff_00ff;
        spread = (spread << 4 | spread) & 0x0f0f_0f0f_0f0f_0f0f;
        let letters = (spread + ONES * 6) >> 4 & ONES;
        *digits =
            (spread + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[track_caller]
    fn check(sent: &[&[u8]], kept: bool) {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        let assigned = assign(&mut headers);
        let ids: Vec<_> = headers.get_all(HEADER).iter().collect();
        assert_eq!(ids, [assigned.id.as_str()], "exactly the assigned id");
        assert_eq!(assigned.replaced, !kept);
        if kept {
            assert_eq!(assigned.id.as_str().as_bytes(), sent[0]);
        } else {
            assert!(is_generated(assigned.id.as_str()));
        }
    }

    fn is_generated(id: &str) -> bool {
        id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    }

    #[test]
    fn valid_ids_are_kept_and_others_replaced() {
        check(&[b"demo-123"], true);
        check(&[b"AZaz09._-:/+="], true);
        check(&[&[b'a'; 128]], true);
        check(&[&[b'a'; 129]], false);
        check(&[b""], false);
        check(&[b"a b"], false);
        check(&[b"a\"b"], false);
        check(&[b"a\xFFb"], false);
        check(&[b"a,b"], false);
        check(&[b"same", b"same"], false);
    }

    #[test]
    fn missing_id_is_generated() {
        let assigned = assign(&mut HeaderMap::new());
        assert!(!assigned.replaced && is_generated(assigned.id.as_str()));
    }

    #[test]
    fn hex_digits_match_the_formatter() {
        for value in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX, 0x9999_aaaa_0f0f_f0f0] {
            let mut digits = [0; 16];
            write_hex(&mut digits, value);
            assert_eq!(digits, format!("{value:016x}").as_bytes());
        }
    }

    #[test]
    fn generated_ids_differ_within_and_across_threads() {
        let handles: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..20_000).map(|_| generate()).collect::<Vec<_>>()))
            .collect();
        let ids: HashSet<_> = handles
            .into_iter()
            .flat_map(|handle| handle.join().unwrap())
            .collect();
        assert_eq!(ids.len(), 80_000);
    }
}
