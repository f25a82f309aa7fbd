//! Parses `for`, `proto` and `host` of the elements of `Forwarded` (RFC 7239), the last one first.
//!
//! ```text
//! Forwarded: for="_a,b;\"c\"";proto=https, For="[2001:db8::1]:80";by=_c, for=192.0.2.1
//!            └────────── third ──────────┘  └───────── second ────────┘  └── first ──┘
//! ```
//!
//! # Quote matching from the right
//!
//! A parser that matches quotes from the left lets a client hide the elements that proxies append.
//! After the lone quote in `for="x`, an appended `, for=192.0.2.1` would be inside the client's string.
//!
//! From the right, the first quote is a closing one. Its partner is the nearest quote to the left that
//! follows an `=`. In a well-formed line both directions find the same strings. In a malformed line, the
//! elements on the right are still parsed as their authors wrote them.
//!
//! # Invariants
//!
//! * Text to the left of an element's comma has no influence on that element.
//! * Time is linear in the length of the line. Of a well-formed line, only the requested elements are
//!   parsed.
//! * Memory is allocated only for a `for` with a backslash, for one element at a time and at most its
//!   length. `proto` and `host` keep their escapes until they are evaluated.
//! * A quoted string ends on its line, because each line is a list in itself (RFC 9110, section 5.3).
//!   So recipients may join lines or not.
//!
//! # Leniency
//!
//! Spaces and tabs next to `;` are accepted, although RFC 7239 has none there: some proxies write them,
//! and they are unambiguous. All other rules apply. For example, an unquoted colon is rejected
//! (`for=192.0.2.1:80`).

use std::borrow::Cow;
use std::iter;

use super::{ForwardedHop, node};

/// A token, or the content of a quoted string, with its escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForwardedValue<'h>(&'h [u8]);

impl<'h> ForwardedValue<'h> {
    /// The value without escapes.
    pub(crate) fn unescaped(self) -> Cow<'h, [u8]> {
        let Self(raw) = self;
        if !raw.contains(&b'\\') {
            return Cow::Borrowed(raw);
        }
        let mut bytes = raw.iter().copied();
        iter::from_fn(|| match bytes.next()? {
            b'\\' => bytes.next(),
            byte => Some(byte),
        })
        .collect()
    }
}

/// The hops in `line`, from right to left. Empty elements are skipped.
///
/// A hop has no address if its `for` is missing or a name (`unknown`, `_hidden`). If the syntax of an
/// element is malformed, or if it contains a parameter twice, its hop has no values at all.
pub(super) fn hops(line: &[u8]) -> impl Iterator<Item = ForwardedHop<'_>> {
    rsplit_unquoted(line, b',').map(|element| hop(element).unwrap_or_default())
}

/// Parses `element`; `None` if it is malformed.
fn hop(element: &[u8]) -> Option<ForwardedHop<'_>> {
    const NAMES: [&[u8]; 3] = [b"for", b"proto", b"host"];
    let mut values = [None; NAMES.len()];
    for pair in rsplit_unquoted(element, b';') {
        let equals = pair.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (&pair[..equals], &pair[equals + 1..]);
        if !is_token(name) {
            return None;
        }
        // Checked for every name: an element with one malformed parameter is rejected as a whole.
        let value = ForwardedValue(raw_value(value)?);
        let index = NAMES.iter().position(|it| name.eq_ignore_ascii_case(it));
        if let Some(index) = index
            && values[index].replace(value).is_some()
        {
            return None;
        }
    }
    let [node, proto, host] = values;
    Some(ForwardedHop {
        ip: node.and_then(|node| node::parse(&node.unescaped(), is_node_port)),
        proto,
        host,
    })
}

/// Splits `text` at each `separator` outside quoted strings, the last part first. Parts are trimmed,
/// and empty parts are skipped.
fn rsplit_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    iter::from_fn(move || {
        let text = rest?;
        let at = last_unquoted(text, separator);
        rest = at.map(|at| &text[..at]);
        Some(&text[at.map_or(0, |at| at + 1)..])
    })
    .map(<[u8]>::trim_ascii)
    .filter(|part| !part.is_empty())
}

/// The position of the last `separator` outside quoted strings.
///
/// If a closing quote has no opening one, the whole rest is one part. That part is malformed, and its
/// begin cannot be determined.
fn last_unquoted(text: &[u8], separator: u8) -> Option<usize> {
    let mut rest = text;
    loop {
        let at = rest
            .iter()
            .rposition(|&byte| byte == separator || byte == b'"')?;
        if rest[at] == separator {
            return Some(at);
        }
        rest = &rest[..opening_quote(&rest[..at])?];
    }
}

/// The begin of the quoted string whose closing quote follows `text`.
fn opening_quote(text: &[u8]) -> Option<usize> {
    // Inside a quoted string, a quote follows a backslash, never an `=`.
    let equals = text.windows(2).rposition(|pair| pair == b"=\"")?;
    Some(equals + 1)
}

/// Returns a token, or the content of a quoted string with its escapes.
fn raw_value(value: &[u8]) -> Option<&[u8]> {
    match value {
        [b'"', inside @ .., b'"'] => is_quotable(inside).then_some(inside),
        token => is_token(token).then_some(token),
    }
}

/// Whether `inside` has no unescaped quote and no backslash at its end.
///
/// Other bytes need no check: every byte that a header value can contain may be quoted.
fn is_quotable(inside: &[u8]) -> bool {
    let mut escaped = false;
    for &byte in inside {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return false,
            _ => {}
        }
    }
    !escaped
}

/// Whether `text` is a `token` (RFC 9110, section 5.6.2).
fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Whether `text` is a `node-port` (RFC 7239, section 6): a number or an obfuscated name.
fn is_node_port(text: &str) -> bool {
    let is_obfuscated = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    node::is_port_number(text) || text.strip_prefix('_').is_some_and(is_obfuscated)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
