//! Parses `traceparent` without allocation and writes it, as W3C Trace Context specifies.
//!
//! ```text
//! 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
//! │  └ trace, 32 hex digits           └ span, 16       └ flags
//! └ version
//! ```
//!
//! An unknown version is parsed like version `00`, and what follows is ignored. `ff` is invalid.
//! Digits are lower case, ids are not zero, and the header occurs once. A request that violates this
//! is handled as if it had no `traceparent`.

use http::{HeaderMap, HeaderValue};

use super::{headers::TRACEPARENT, state};

/// The length of version `00` in bytes, and the minimum length of later versions.
const LENGTH: usize = 55;

/// The flag `sampled`: the sender records the trace.
const SAMPLED: u8 = 1;
/// The flag `random`: the trace id was generated at random (level 2 of the standard).
const RANDOM: u8 = 2;

/// The id of a trace.
pub(crate) type TraceId = [u8; 16];
/// The id of a span.
pub(crate) type SpanId = [u8; 8];

/// The context of a span: trace id, span id and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanContext {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    flags: u8,
}

/// The trace context that a request was sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) context: SpanContext,
    /// The `tracestate`; `None` if it is missing or malformed.
    pub(crate) state: Option<HeaderValue>,
}

impl Parent {
    /// Parses the context in `headers`. Returns `None` unless there is exactly one valid `traceparent`.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut sent = headers.get_all(&TRACEPARENT).iter();
        let (Some(one), None) = (sent.next(), sent.next()) else {
            return None;
        };
        Some(Self {
            context: SpanContext::parse(one.as_bytes())?,
            state: state::from_headers(headers),
        })
    }
}

impl SpanContext {
    /// The context of the root span of a new trace.
    pub(crate) fn root(trace_id: TraceId, span_id: SpanId, is_sampled: bool) -> Self {
        Self {
            trace_id,
            span_id,
            flags: if is_sampled { SAMPLED } else { 0 },
        }
    }

    /// The context of another span of the same trace.
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

    /// Whether both spans are in the same trace.
    pub(crate) fn is_same_trace(&self, other: &Self) -> bool {
        self.trace_id == other.trace_id
    }

    /// Parses the value of a `traceparent`. At most 56 bytes are read.
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
            // Unknown flags are not propagated.
            flags: flags & (SAMPLED | RANDOM),
        })
    }

    /// The value of `traceparent` for requests that this span sends.
    pub(crate) fn header(&self) -> HeaderValue {
        let mut text = [b'-'; LENGTH];
        text[..2].copy_from_slice(b"00");
        text[3..35].copy_from_slice(&self.trace_id_hex());
        text[36..52].copy_from_slice(&self.span_id_hex());
        write_hex(&mut text[53..], &[self.flags]);
        // Hexadecimal digits are a valid header value, so the fallback is never used.
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

/// Parses lower-case hexadecimal digits, two per byte.
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
    fn check(sent: &str, is_valid: bool) {
        assert_eq!(SpanContext::parse(sent.as_bytes()).is_some(), is_valid);
    }

    #[test]
    fn valid_traceparent_round_trips() {
        let context = SpanContext::parse(SENT.as_bytes()).unwrap();
        assert!(context.is_sampled());
        assert_eq!(context.header(), SENT);
        assert_eq!(context.child([1; 8], false).header(), {
            "00-0af7651916cd43dd8448eb211c80319c-0101010101010101-00"
        });
    }

    #[test]
    fn malformed_traceparent_is_rejected() {
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
    fn later_version_is_parsed_like_version_00() {
        let later = SENT.replace("00-", "cc-");
        check(&later, true);
        check(&format!("{later}-what-the-future-will-be-like"), true);
        check(&format!("{later}.what"), false);
    }

    #[test]
    fn unknown_flags_are_not_propagated() {
        let sent = SENT.replace("-01", "-ff");
        let context = SpanContext::parse(sent.as_bytes()).unwrap();
        assert_eq!(context.header(), SENT.replace("-01", "-03"));
    }

    #[test]
    fn two_traceparents_are_rejected() {
        let mut headers = HeaderMap::new();
        headers.append(&TRACEPARENT, HeaderValue::from_static(SENT));
        assert!(Parent::from_headers(&headers).is_some());
        headers.append(&TRACEPARENT, HeaderValue::from_static(SENT));
        assert_eq!(Parent::from_headers(&headers), None);
    }

    proptest! {
        /// TRC-1
        #[test]
        fn parsed_traceparents_round_trip(
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

        /// TRC-1
        #[test]
        fn parser_agrees_with_reference_reader(sent in "(00|ff|0g)-[0-9a-fA-F]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}") {
            crate::fuzzing::traceparent(sent.as_bytes());
        }
    }
}
