//! `traceparent`, to the letter of W3C Trace Context: read without memory, and written.
//!
//! ```text
//! 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
//! │  └ trace, 32 hex digits           └ span, 16       └ flags
//! └ version
//! ```
//!
//! A version that is not known is read like the known one, as far as that goes; `ff` is none.
//! Digits are lower case, ids are not zero, and the header comes once. Anything else counts as if
//! nothing had been sent.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::state;

// `http` has no constants for these.
pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of the version that is known, and the least of any other.
const LENGTH: usize = 55;

/// Whoever made the context records its trace.
const SAMPLED: u8 = 1;
/// The trace's id was made at random, says its maker (level 2 of the standard).
const RANDOM: u8 = 2;

/// The id of a trace.
pub(crate) type TraceId = [u8; 16];
/// The id of a span.
pub(crate) type SpanId = [u8; 8];

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanContext {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    flags: u8,
}

/// What a request was sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) context: SpanContext,
    /// What others have to say of the trace; nothing if it is malformed.
    pub(crate) state: Option<HeaderValue>,
}

impl Parent {
    /// What these headers say, if it is well-formed and said once.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut sent = headers.get_all(&TRACEPARENT).iter();
        let (Some(one), None) = (sent.next(), sent.next()) else {
            return None;
        };
        Some(Self {
            context: SpanContext::parse(one.as_bytes())?,
            state: state::of(headers),
        })
    }
}

impl SpanContext {
    /// The root of a new trace.
    pub(crate) fn root(trace_id: TraceId, span_id: SpanId, is_sampled: bool) -> Self {
        Self {
            trace_id,
            span_id,
            flags: if is_sampled { SAMPLED } else { 0 },
        }
    }

    /// A span of the same trace.
    pub(crate) fn child(self, span_id: SpanId, is_sampled: bool) -> Self {
        let sampled = if is_sampled { SAMPLED } else { 0 };
        Self {
            span_id,
            flags: self.flags & RANDOM | sampled,
            ..self
        }
    }

    pub(crate) const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    pub(crate) const fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether it is of the same trace.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        self.trace_id == other.trace_id
    }

    /// Reads a header, of which at most 56 bytes are looked at.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let (known, more) = value.split_at_checked(LENGTH)?;
        let [version] = hex(&known[..2])?;
        let fits = match version {
            0 => more.is_empty(),
            0xFF => false,
            _ => more.first().is_none_or(|&byte| byte == b'-'),
        };
        if !fits || [known[2], known[35], known[52]] != [b'-'; 3] {
            return None;
        }
        let trace_id: TraceId = hex(&known[3..35])?;
        let span_id: SpanId = hex(&known[36..52])?;
        let [flags] = hex(&known[53..])?;
        if trace_id == TraceId::default() || span_id == SpanId::default() {
            return None;
        }
        Some(Self {
            trace_id,
            span_id,
            // What other flags mean is not known, so they are not passed on.
            flags: flags & (SAMPLED | RANDOM),
        })
    }

    /// The header for whoever is asked from inside this span.
    pub(crate) fn header(&self) -> HeaderValue {
        let mut text = [b'-'; LENGTH];
        text[..2].copy_from_slice(b"00");
        text[3..35].copy_from_slice(&self.trace_id_hex());
        text[36..52].copy_from_slice(&self.span_id_hex());
        write_hex(&mut text[53..], &[self.flags]);
        // Hexadecimal digits are always a valid header; the fallback is never taken.
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
    }

    pub(crate) fn trace_id_hex(&self) -> [u8; 32] {
        let mut text = [0; 32];
        write_hex(&mut text, &self.trace_id);
        text
    }

    pub(crate) fn span_id_hex(&self) -> [u8; 16] {
        let mut text = [0; 16];
        write_hex(&mut text, &self.span_id);
        text
    }
}

/// Reads lower-case digits, two for each byte.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn write_hex(out: &mut [u8], bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 0xF)];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[track_caller]
    fn check(sent: &str, is_read: bool) {
        assert_eq!(SpanContext::parse(sent.as_bytes()).is_some(), is_read);
    }

    #[test]
    fn a_well_formed_traceparent_is_read_and_written_back() {
        let context = SpanContext::parse(SENT.as_bytes()).unwrap();
        assert!(context.is_sampled());
        assert_eq!(context.header(), SENT);
        assert_eq!(context.child([1; 8], false).header(), {
            "00-0af7651916cd43dd8448eb211c80319c-0101010101010101-00"
        });
    }

    #[test]
    fn a_malformed_traceparent_is_none() {
        check(SENT, true);
        check("", false);
        check(&SENT[..54], false);
        check(&format!("{SENT}-more"), false);
        check(&SENT.to_uppercase(), false);
        check(&SENT.replace('-', "_"), false);
        check(&SENT.replace("b7ad6b7169203331", "0000000000000000"), false);
        check(
            &SENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            false,
        );
        check(&SENT.replace("00-", "ff-"), false);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = SENT.replace("00-", "cc-");
        check(&later, true);
        check(&format!("{later}-what-the-future-will-be-like"), true);
        check(&format!("{later}.what"), false);
    }

    #[test]
    fn flags_that_are_not_known_are_not_passed_on() {
        let sent = SENT.replace("-01", "-ff");
        let context = SpanContext::parse(sent.as_bytes()).unwrap();
        assert_eq!(context.header(), SENT.replace("-01", "-03"));
    }

    #[test]
    fn two_traceparents_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(&TRACEPARENT, HeaderValue::from_static(SENT));
        assert!(Parent::of(&headers).is_some());
        headers.append(&TRACEPARENT, HeaderValue::from_static(SENT));
        assert_eq!(Parent::of(&headers), None);
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_back(
            trace in "[0-9a-f]{32}",
            span in "[0-9a-f]{16}",
            flags in 0_u8..4,
        ) {
            let sent = format!("00-{trace}-{span}-{flags:02x}");
            match SpanContext::parse(sent.as_bytes()) {
                Some(context) => prop_assert_eq!(context.header(), sent),
                None => prop_assert!(trace.bytes().all(|b| b == b'0') || span.bytes().all(|b| b == b'0')),
            }
        }

        #[test]
        fn nothing_else_is_read(sent in "(00|ff|0g)-[0-9a-fA-F]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}") {
            crate::fuzzing::traceparent(sent.as_bytes());
        }
    }
}
