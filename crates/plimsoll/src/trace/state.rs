//! `tracestate`: what others have to say of a trace, checked and passed on as it is.
//!
//! The chassis adds nothing to it. What breaks the grammar of W3C Trace Context, has more than 32
//! members, a key twice, or more than 512 bytes is dropped as a whole: half of it would be wrong
//! for somebody.

use http::{HeaderMap, HeaderValue};

use super::parent::TRACESTATE;

/// The most bytes that everybody passes on.
const MAX_LENGTH: usize = 512;
/// The most members that there may be.
const MAX_MEMBERS: usize = 32;
/// The longest key, and the longest value.
const MAX_TEXT: usize = 256;

/// The state in these headers, which may be spread over several lines.
pub(super) fn of(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines = || headers.get_all(&TRACESTATE).iter();
    let length: usize = lines().map(|line| line.len() + 1).sum();
    if length > MAX_LENGTH + 1 || !are_valid(lines().map(HeaderValue::as_bytes)) {
        return None;
    }
    let mut rest = lines();
    match (rest.next(), rest.next()) {
        // A copy: the value itself would keep the whole head of the request for as long as the span
        // waits.
        (first, None) => first
            .filter(|line| !line.is_empty())
            .and_then(|line| HeaderValue::from_bytes(line.as_bytes()).ok()),
        // Several lines are rare, and joined they are no longer than one may be.
        _ => {
            let joined: Vec<&[u8]> = lines().map(HeaderValue::as_bytes).collect();
            HeaderValue::from_bytes(&joined.join(&b","[..])).ok()
        }
    }
}

/// Whether these lines are members of one list.
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

/// Blanks around it have been taken off with those around its member.
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
        let state = of(&headers);
        assert_eq!(state.as_ref().map(|it| it.to_str().unwrap()), expected);
    }

    #[test]
    fn a_state_is_passed_on_as_it_is_or_not_at_all() {
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

    #[test]
    fn a_state_is_bounded() {
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
