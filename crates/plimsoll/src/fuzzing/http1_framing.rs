//! Compares the incremental HTTP/1 message scanner with a reader of the whole input.

use super::cuts::cuts;
use crate::{
    connection::{Framing, Http1State},
    server::http1::MessageScanner,
};

/// Scans `bytes` as the data of one connection, cut in some ways.
///
/// A head with the line `Content-Length: n` has a body of that length, one with
/// `Transfer-Encoding: chunked` a chunked body, and any other none.
///
/// # Panics
///
/// * If the scanner does not stop after each head and before the first malformed byte.
/// * If it stops anywhere else.
/// * If it misses a fragment, or reports one that does not exist.
pub(super) fn check(bytes: &[u8]) {
    let expected = Expected::read(bytes);
    for pieces in cuts(bytes) {
        expected.compare(&pieces);
    }
}

/// The result of the reference reader.
#[derive(Debug, Default)]
struct Expected {
    heads: Vec<HeadEnd>,
    malformed: Option<usize>,
}

#[derive(Debug)]
struct HeadEnd {
    at: usize,
    framing: Framing,
    fragment: bool,
}

impl Expected {
    fn read(bytes: &[u8]) -> Self {
        let mut expected = Self::default();
        let mut at = 0;
        while let Some((length, fragment)) = head(&bytes[at..]) {
            let framing = framing_of(&bytes[at..at + length]);
            at += length;
            expected.heads.push(HeadEnd {
                at,
                framing,
                fragment,
            });
            let body = match framing {
                Framing::Length(length) => usize::try_from(length)
                    .ok()
                    .filter(|&length| length <= bytes.len() - at),
                Framing::Chunked => match chunked(&bytes[at..]) {
                    Ok(length) => length,
                    Err(malformed) => {
                        expected.malformed = Some(at + malformed);
                        None
                    }
                },
            };
            let Some(length) = body else { break };
            at += length;
        }
        expected
    }

    fn compare(&self, pieces: &[&[u8]]) {
        let state = Http1State::new();
        let mut scanner = MessageScanner::new();
        let mut heads = self.heads.iter().peekable();
        let mut at = 0;
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let Ok(count) = scanner.scan(rest, &state) else {
                    assert_eq!(Some(at), self.malformed, "refused");
                    assert!(state.take_malformed());
                    return;
                };
                assert!(count > 0, "no progress at {at}");
                at += count;
                rest = &rest[count..];
                let is_stopped = !rest.is_empty();
                match heads.next_if(|head| head.at <= at) {
                    Some(head) => {
                        assert_eq!(head.at, at, "went on behind a head");
                        // The flag stays set, as the connection is closed.
                        assert!(state.has_fragment() || !head.fragment, "missed a fragment");
                        let fragments = self.heads.iter().any(|it| it.fragment && it.at <= at);
                        assert!(!state.has_fragment() || fragments, "found a fragment");
                        state.set_framing(head.framing);
                    }
                    None => assert!(!is_stopped || Some(at) == self.malformed, "stopped at {at}"),
                }
            }
        }
        assert_eq!(
            at,
            self.malformed.unwrap_or(at),
            "went on behind a malformed byte"
        );
    }
}

/// The length of the head at the begin of `bytes`, and whether its target has a fragment.
fn head(bytes: &[u8]) -> Option<(usize, bool)> {
    let begin = bytes.iter().position(|byte| !b"\r\n".contains(byte))?;
    let end = (begin..bytes.len()).find_map(|at| {
        let rest = &bytes[at..];
        [&b"\n\n"[..], b"\n\r\n"]
            .into_iter()
            .find(|line| rest.starts_with(line))
            .map(|line| at + line.len())
    })?;
    let line = bytes[begin..end].split(|&byte| byte == b'\n').next()?;
    let mut words = line.splitn(2, |&byte| byte == b' ');
    Some((end, words.nth(1).is_some_and(|rest| rest.contains(&b'#'))))
}

fn framing_of(head: &[u8]) -> Framing {
    for line in head.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line == b"Transfer-Encoding: chunked" {
            return Framing::Chunked;
        }
        let length = line
            .strip_prefix(b"Content-Length: ")
            .and_then(|it| std::str::from_utf8(it).ok()?.parse::<u32>().ok());
        if let Some(length) = length {
            return Framing::Length(length.into());
        }
    }
    Framing::Length(0)
}

/// The length of a chunked body; `None` if it is incomplete. The error is the position of a malformed
/// byte.
fn chunked(bytes: &[u8]) -> Result<Option<usize>, usize> {
    let mut at = 0;
    loop {
        let Some(length) = line(&bytes[at..], |line| size(line).is_some()).map_err(|it| at + it)?
        else {
            return Ok(None);
        };
        let size = size(&bytes[at..at + length - 2]).unwrap_or_default();
        at += length;
        if size == 0 {
            break;
        }
        let data = usize::try_from(size)
            .ok()
            .and_then(|size| at.checked_add(size));
        let Some(end) = data.filter(|&end| end <= bytes.len()) else {
            return Ok(None);
        };
        at = end;
        for expected in b"\r\n" {
            match bytes.get(at) {
                None => return Ok(None),
                Some(byte) if byte != expected => return Err(at),
                Some(_) => at += 1,
            }
        }
    }
    loop {
        let Some(length) =
            line(&bytes[at..], |line| line.is_empty() || is_field(line)).map_err(|it| at + it)?
        else {
            return Ok(None);
        };
        at += length;
        if length == 2 {
            return Ok(Some(at));
        }
    }
}

/// Suffixes that complete any prefix of a valid line.
const ENDINGS: &[&[u8]] = &[
    b"\n", b"\r\n", b"0\r\n", b":\r\n", b"a:\r\n", b";a\r\n", b"a\r\n", b"\"\r\n", b"a\"\r\n",
];

/// The length of the line at the begin of `bytes`; `None` if it is incomplete.
///
/// The error is the position of the first byte that cannot be part of a valid line.
fn line(bytes: &[u8], is_valid: impl Fn(&[u8]) -> bool) -> Result<Option<usize>, usize> {
    let is_line = |line: &[u8]| line.strip_suffix(b"\r\n").is_some_and(&is_valid);
    for end in 1..=bytes.len() {
        let begun = &bytes[..end];
        if is_line(begun) {
            return Ok(Some(end));
        }
        if !ENDINGS
            .iter()
            .any(|ending| is_line(&[begun, ending].concat()))
        {
            return Err(end - 1);
        }
    }
    Ok(None)
}

/// The size in a valid chunk line (RFC 9112, sections 7.1 and 7.1.1).
fn size(line: &[u8]) -> Option<u64> {
    // One character per byte, so that bytes beyond ASCII are neither white space nor part of a token.
    let line: String = line.iter().map(|&byte| char::from(byte)).collect();
    let digits = line.find(|char: char| !char.is_ascii_hexdigit());
    let (digits, mut rest) = line.split_at(digits.unwrap_or(line.len()));
    let size = u64::from_str_radix(digits, 16).ok()?;
    while !rest.is_empty() {
        rest = skip_white(skip_white(rest).strip_prefix(';')?);
        rest = skip_token(rest)?;
        if let Some(value) = skip_white(rest).strip_prefix('=') {
            let value = skip_white(value);
            rest = match value.strip_prefix('"') {
                Some(quoted) => skip_quoted(quoted)?,
                None => skip_token(value)?,
            };
        }
    }
    Some(size)
}

fn skip_white(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

fn skip_token(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(is_token);
    (rest.len() < text.len()).then_some(rest)
}

/// The rest after the closing quote of a string.
fn skip_quoted(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some(chars.as_str()),
            '\\' if chars.next().is_some_and(is_text) => {}
            char if char != '\\' && is_text(char) => {}
            _ => return None,
        }
    }
}

/// Whether a line is a valid trailer field (RFC 9110, sections 5.1 and 5.5).
fn is_field(line: &[u8]) -> bool {
    let line: String = line.iter().map(|&byte| char::from(byte)).collect();
    line.split_once(':').is_some_and(|(name, value)| {
        !name.is_empty() && name.chars().all(is_token) && value.chars().all(is_text)
    })
}

fn is_token(char: char) -> bool {
    char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char)
}

fn is_text(char: char) -> bool {
    char == '\t' || !char.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pieces of valid messages, and similar invalid ones.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let pieces: &[&[u8]] = &[
            b"GET / HTTP/1.1\r\n",
            b"POST /a#b HTTP/1.1\r\n",
            b"M#X /a HTTP/1.1\n",
            b"Host: a\r\n",
            b"X-Long: 0123456789abcdefghijklmnopqrstuvwxyz#\r\n",
            b"Content-Length: 3\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n",
            b"\r\n",
            b"\n",
            b"\r",
            b"abc",
            b"3\r\nabc\r\n",
            b"3;a=b\r\nabc\r\n",
            b"3 ; a = \"b\\\"\xff\"\t;c\r\nabc\r\n",
            b"5 \r\n",
            b"ffffffffffffffff1\r\n",
            b"0\r\n\r\n",
            b"0\r\n",
            b"X: y\r\n",
            b"X: y\n",
            b"3;",
            b"\0",
            b" ",
            b"#",
        ];
        prop_oneof![
            9 => proptest::sample::select(pieces).prop_map(<[u8]>::to_vec),
            1 => proptest::collection::vec(any::<u8>(), 1..4),
        ]
    }

    proptest! {
        /// SRV-3
        #[test]
        fn scanner_agrees_with_naive_reader(
            pieces in proptest::collection::vec(piece(), 0..24),
        ) {
            check(&pieces.concat());
        }

        #[test]
        fn scanner_agrees_on_chunked_bodies(
            pieces in proptest::collection::vec(piece(), 0..12),
        ) {
            let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            check(&[vec![head], pieces].concat().concat());
        }

        #[test]
        fn scanner_finds_the_end_of_long_heads(
            name in "[a-z#]{1,40}",
            count in 0_usize..60,
            line in prop_oneof![Just("\r\n"), Just("\n")],
            behind in proptest::collection::vec(any::<u8>(), 0..700),
        ) {
            let field = format!("{name}: 0123456789{line}").repeat(count);
            let head = format!("GET / HTTP/1.1{line}{field}{line}");
            check(&[head.as_bytes(), &behind].concat());
        }
    }

    #[test]
    fn reference_reader_classifies_bodies() {
        for (body, expected) in [
            (&b"0\r\n\r\nGET"[..], Ok(Some(5))),
            (b"3;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\n", Ok(Some(25))),
            (b"3\r\nab", Ok(None)),
            (b"5 \r\n", Err(2)),
            (b"5\t\r\n", Err(2)),
            (b"0\r\n\n", Err(3)),
            (b"0\r\nX: y\n\r\n", Err(7)),
            (b"1;\0\r\n", Err(2)),
            (b"0\r\n X: y\r\n", Err(3)),
        ] {
            assert_eq!(chunked(body), expected, "{}", body.escape_ascii());
        }
    }
}
