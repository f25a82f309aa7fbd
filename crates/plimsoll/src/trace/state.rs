//! Validates `tracestate`, which is propagated unchanged. The chassis adds no member.
//!
//! A state is dropped as a whole in these cases: it violates the grammar of W3C Trace Context, has more
//! than 32 members, contains a key twice, or is longer than 512 bytes. A truncated state could
//! misrepresent the trace to another vendor.

use http::{HeaderMap, HeaderValue};

use super::headers::TRACESTATE;

/// The maximum length in bytes. The standard requires that at least this much is propagated.
const MAX_LENGTH: usize = 512;
/// The maximum number of members.
const MAX_MEMBERS: usize = 32;
/// The maximum length of a key and of a value, in bytes.
const MAX_TEXT: usize = 256;

/// Returns the valid state in `headers`, several lines joined.
pub(super) fn from_headers(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines = || headers.get_all(&TRACESTATE).iter();
    let length: usize = lines().map(|line| line.len() + 1).sum();
    if length > MAX_LENGTH + 1 || !are_valid(lines().map(HeaderValue::as_bytes)) {
        return None;
    }
    let mut rest = lines();
    match (rest.next(), rest.next()) {
        // A copy: the original value shares the buffer of the request head, and the span would keep
        // that buffer alive while it is queued.
        (first, None) => first
            .filter(|line| !line.is_empty())
            .and_then(|line| HeaderValue::from_bytes(line.as_bytes()).ok()),
        // Several lines are rare. Joined, they are within the limit for one line.
        _ => {
            let joined: Vec<&[u8]> = lines().map(HeaderValue::as_bytes).collect();
            HeaderValue::from_bytes(&joined.join(&b","[..])).ok()
        }
    }
}

/// Whether the members of these lines form one valid list.
fn are_valid<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut keys = [&b""[..]; MAX_MEMBERS];
    let members = lines
        .flat_map(|line| line.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty());
    for (count, member) in members.enumerate() {
        let Some(at) = member.iter().position(|&byte| byte == b'=') else {
            return false;
        };
        let (key, value) = (&member[..at], &member[at + 1..]);
        if count == MAX_MEMBERS || !is_key(key) || !is_value(value) || keys[..count].contains(&key)
        {
            return false;
        }
        keys[count] = key;
    }
    true
}

fn is_key(key: &[u8]) -> bool {
    let is_simple = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    key.len() <= MAX_TEXT
        && key.first().is_some_and(is_simple)
        && key
            .iter()
            .all(|byte| is_simple(byte) || b"_-*/@".contains(byte))
}

/// Whether `value` is valid. It is already trimmed with its member.
fn is_value(value: &[u8]) -> bool {
    (1..=MAX_TEXT).contains(&value.len())
        && value
            .iter()
            .all(|&byte| (b' '..=b'~').contains(&byte) && byte != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&TRACESTATE, HeaderValue::from_str(line).unwrap());
        }
        let state = from_headers(&headers);
        assert_eq!(state.as_ref().map(|it| it.to_str().unwrap()), expected);
    }

    #[test]
    fn state_is_propagated_unchanged_or_dropped() {
        check(&[], None);
        check(&[""], None);
        check(&["rojo=00f067aa0ba902b7"], Some("rojo=00f067aa0ba902b7"));
        check(&["a=1 , b@c= 2,,d=x y"], Some("a=1 , b@c= 2,,d=x y"));
        check(&["a=1", "b=2"], Some("a=1,b=2"));
        check(&["a"], None);
        check(&["A=1"], None);
        check(&["a="], None);
        check(&["a=1=2"], None);
        check(&["a=1,a=2"], None);
        check(&["a=1", "a=2"], None);
        check(&["a=\t1"], None);
    }

    /// TRC-1
    #[test]
    fn state_is_bounded() {
        let many = |count: usize| (0..count).map(|i| format!("k{i}=v")).collect::<Vec<_>>();
        assert!(many(32).join(",").len() < MAX_LENGTH);
        check(&[&many(32).join(",")], Some(&many(32).join(",")));
        check(&[&many(33).join(",")], None);
        let long = |length: usize| format!("a={},b={}", "x".repeat(256), "y".repeat(length - 261));
        check(&[&long(512)], Some(&long(512)));
        check(&[&long(513)], None);
        check(&[&format!("a={}", "x".repeat(257))], None);
    }
}
