//! Escapes untrusted text for a line of JSON.
//!
//! Characters beyond ASCII are not escaped (contract LOG-8). Control characters are escaped, including
//! those above 0x7F. So are U+2028 and U+2029, as some readers end a line at them (LOG-1).

/// The end of a truncated text.
const ELLIPSIS: &str = "…";

/// Appends `text` as a JSON string in quotes. The part inside the quotes takes at most `budget` bytes.
///
/// A longer text is truncated at a character boundary and ends with `…`.
pub(crate) fn json_string(out: &mut Vec<u8>, text: &str, budget: usize) {
    out.push(b'"');
    json_text(out, text, budget);
    out.push(b'"');
}

/// Appends `text`, escaped for the inside of a JSON string, in at most `budget` bytes.
pub(crate) fn json_text(out: &mut Vec<u8>, text: &str, budget: usize) {
    if text.len() <= budget && are_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let start = out.len();
    // The last position at which the text can be truncated so that the ellipsis fits.
    let mut last_fit = start;
    let mut utf8 = [0; 4];
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{2028}' | '\u{2029}' => unicode_escape(out, c),
            c if c.is_control() => unicode_escape(out, c),
            c => out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()),
        }
        let used = out.len() - start;
        if used > budget {
            out.truncate(last_fit);
            if budget >= ELLIPSIS.len() {
                out.extend_from_slice(ELLIPSIS.as_bytes());
            }
            return;
        }
        if used + ELLIPSIS.len() <= budget {
            last_fit = out.len();
        }
    }
}

/// Appends `bytes` as escaped text, truncated to `max` bytes with `…` at the end.
///
/// Invalid UTF-8 is replaced before the truncation. Unlike the budget of [`json_string`], `max` counts
/// the bytes before escaping.
pub(crate) fn escape_cut(out: &mut Vec<u8>, bytes: &[u8], max: usize) {
    if bytes.len() <= max && are_plain(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
    let text = String::from_utf8_lossy(bytes);
    let kept = &text[..text.floor_char_boundary(max)];
    json_text(out, kept, usize::MAX);
    if kept.len() < text.len() {
        out.extend_from_slice(ELLIPSIS.as_bytes());
    }
}

/// Whether all bytes are ASCII characters that need no escaping in a JSON string.
///
/// Eight bytes are checked at a time, and the last eight may overlap the previous ones. Most texts of a
/// record are short, so a branch per byte would dominate the cost.
fn are_plain(bytes: &[u8]) -> bool {
    if bytes.is_empty() {
        return true;
    }
    let (chunks, rest) = bytes.as_chunks::<8>();
    if !chunks
        .iter()
        .all(|chunk| is_plain(u64::from_ne_bytes(*chunk)))
    {
        return false;
    }
    match (rest, bytes.last_chunk::<8>()) {
        ([], _) => true,
        (_, Some(last)) => is_plain(u64::from_ne_bytes(*last)),
        (short, None) => {
            let start = u64::from_ne_bytes([b' '; 8]);
            is_plain(
                short
                    .iter()
                    .fold(start, |word, byte| word << 8 | u64::from(*byte)),
            )
        }
    }
}

/// Whether each of eight bytes is visible ASCII or a space, and neither `"` nor `\\`.
const fn is_plain(bytes: u64) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // The highest bit of a byte is set if the byte is below 0x20, above 0x7E, a quote or a backslash.
    let below_space = bytes.wrapping_sub(ONES * 0x20);
    let above_tilde = bytes.wrapping_add(ONES);
    let quote = (bytes ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (bytes ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    // A borrow or carry into the next byte comes only from a byte that is itself found.
    (bytes | below_space | above_tilde | quote | backslash) & HIGH == 0
}

/// Escapes characters that a terminal does not show or that reorder text, in the line from `start` on.
///
/// If the line would exceed `max` bytes, these characters become `?`.
pub(super) fn escape_invisible(out: &mut Vec<u8>, start: usize, max: usize) {
    if out[start..].is_ascii() {
        return;
    }
    let line = String::from_utf8_lossy(&out[start..]).into_owned();
    let count = line.chars().filter(|&c| is_invisible(c)).count();
    if count == 0 {
        return;
    }
    // An escape has six bytes and replaces at least two.
    let is_long = line.len() + 4 * count > max;
    out.truncate(start);
    let mut utf8 = [0; 4];
    for c in line.chars() {
        match c {
            c if !is_invisible(c) => out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()),
            _ if is_long => out.push(b'?'),
            c => unicode_escape(out, c),
        }
    }
}

/// Whether a character has no width, or changes the direction of text.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

/// Appends `\u` and four hexadecimal digits. The character is in the basic multilingual plane.
fn unicode_escape(out: &mut Vec<u8>, c: char) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let code = c as usize;
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(HEX[(code >> shift) & 0xF]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_bytes_are_detected_at_every_position() {
        for byte in 0..=u8::MAX {
            let plain = matches!(byte, 0x20..=0x7E) && byte != b'"' && byte != b'\\';
            for length in 1..=20 {
                for place in 0..length {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    assert_eq!(are_plain(&bytes), plain, "{byte} at {place} of {length}");
                }
            }
        }
    }

    #[track_caller]
    fn check(text: &str, budget: usize, expected: &str) {
        let mut out = Vec::new();
        json_string(&mut out, text, budget);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn strings_are_escaped_and_truncated_at_a_character() {
        check("plain", 100, r#""plain""#);
        check("a\"b\\c\n\r\t", 100, r#""a\"b\\c\n\r\t""#);
        check("\u{0}\u{1b}[31m\u{7f}", 100, r#""\u0000\u001b[31m\u007f""#);
        check("é\u{85}\u{2028}x", 100, "\"é\\u0085\\u2028x\"");
        check("abcdef", 6, r#""abcdef""#);
        check("abcdefg", 6, "\"abc…\"");
        check("aé\n\n\n", 6, "\"aé…\"");
        check("abcdefg", 2, "\"\"");
    }

    #[test]
    fn bytes_are_truncated_before_escaping() {
        let mut out = Vec::new();
        escape_cut(&mut out, b"\xFFab\"cdef", 6);
        assert_eq!(String::from_utf8(out).unwrap(), "\u{FFFD}ab\\\"…");
    }

    proptest! {
        #[test]
        fn escaped_text_round_trips_on_one_line(text in ".*|\\PC*|[\\x00-\\xFF]*") {
            let mut out = Vec::new();
            json_string(&mut out, &text, usize::MAX);
            prop_assert!(!out.iter().any(|b| *b < 0x20 || *b == 0x7F));
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn truncated_text_is_a_prefix_within_budget(text in "\\PC*", budget in 0_usize..64) {
            let mut out = Vec::new();
            json_string(&mut out, &text, budget);
            prop_assert!(out.len() <= budget + 2);
            let back = serde_json::from_slice::<String>(&out).unwrap();
            let kept = back.strip_suffix(ELLIPSIS).unwrap_or(&back);
            prop_assert!(text.starts_with(kept));
        }

        #[test]
        fn any_bytes_become_valid_json_text(bytes in proptest::collection::vec(any::<u8>(), 0..64), max in 0_usize..64) {
            let mut out = vec![b'"'];
            escape_cut(&mut out, &bytes, max);
            out.push(b'"');
            prop_assert!(serde_json::from_slice::<String>(&out).is_ok());
        }
    }
}
