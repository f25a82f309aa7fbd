//! Request ids: taken over if they are harmless, made if not.
//!
//! A generated id is 64 random bits of the thread, then a counter put through a bijection: two ids
//! of one thread differ in the second half, those of two threads or processes in the first
//! (contract RID-5). No system call, no clock, nothing shared.

use std::{
    cell::Cell,
    hash::{BuildHasher as _, RandomState},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::context::RequestId;

/// The header of requests and answers.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over (RID-2).
const MAX_LENGTH: usize = 128;

/// The id of a request, and where it comes from.
#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) id: RequestId,
    /// The client sent something that could not be taken over.
    pub(super) replaced: bool,
}

/// Decides on the id of a request with these headers.
pub(super) fn assign(headers: &HeaderMap) -> Assigned {
    let mut sent = headers.get_all(HEADER).iter();
    match (sent.next(), sent.next()) {
        (Some(value), None) if is_acceptable(value.as_bytes()) => Assigned {
            id: RequestId::new(value.clone()),
            replaced: false,
        },
        (first, _) => Assigned {
            id: generate(),
            replaced: first.is_some(),
        },
    }
}

fn is_acceptable(value: &[u8]) -> bool {
    let harmless = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b'-' | b':' | b'/' | b'+' | b'=')
    };
    (1..=MAX_LENGTH).contains(&value.len()) && value.iter().all(harmless)
}

/// Makes an id of 32 lower-case hexadecimal digits.
pub(super) fn generate() -> RequestId {
    thread_local! {
        // The standard library seeds its hashers from the operating system, which is all that is
        // wanted here: ids need not be secret, only different.
        static SEED: (u64, Cell<u64>) = {
            let random = RandomState::new();
            (random.hash_one(1_u8), Cell::new(random.hash_one(2_u8)))
        };
    }
    let (prefix, count) = SEED.with(|(prefix, next)| {
        let count = next.get();
        next.set(count.wrapping_add(1));
        (*prefix, count)
    });
    let mut hex = [0; 32];
    let (left, right) = hex.split_at_mut(16);
    write_hex(left, prefix);
    write_hex(right, mix(count));
    // Hexadecimal digits are always a valid header; the fallback is never taken.
    RequestId::new(HeaderValue::from_bytes(&hex).unwrap_or(HeaderValue::from_static("-")))
}

/// SplitMix64's output function, a bijection: neighbours look unrelated and never collide.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn write_hex(out: &mut [u8], value: u64) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (digit, byte) in out.iter_mut().enumerate() {
        *byte = HEX[(value >> (60 - 4 * digit) & 0xF) as usize];
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[track_caller]
    fn check(sent: &[&[u8]], taken: bool) {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        let assigned = assign(&headers);
        assert_eq!(assigned.replaced, !taken);
        if taken {
            assert_eq!(assigned.id.as_str().as_bytes(), sent[0]);
        } else {
            assert!(is_generated(assigned.id.as_str()));
        }
    }

    fn is_generated(id: &str) -> bool {
        id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    }

    #[test]
    fn harmless_ids_are_taken_over_and_others_replaced() {
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
    fn an_id_is_made_when_none_was_sent() {
        let assigned = assign(&HeaderMap::new());
        assert!(!assigned.replaced && is_generated(assigned.id.as_str()));
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
