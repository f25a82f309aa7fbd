//! Reads `for`, `proto` and `host` of each element of a `Forwarded` header (RFC 7239), last one first.
//!
//! ```text
//! Forwarded: for="_a,b;\"c\"";proto=https, For="[2001:db8::1]:80";by=_c, for=192.0.2.1
//!            └────────── third ──────────┘  └───────── second ────────┘  └── first ──┘
//! ```
//!
//! # Why the quotes are matched from the right
//!
//! The usual reading, from the left, lets a client hide whoever adds to its header:
//! after the lone quote in `for="x`, the `, for=192.0.2.1` that an honest proxy
//! appends would be inside the client's string. Going left from the end of the line,
//! the first quote met is one that closes, and its partner is the nearest one further
//! left that follows an `=`. In a well-formed line this finds the same strings as the
//! usual reading. In any other, what stands to the right is still read as its author
//! wrote it.
//!
//! # Invariants
//!
//! * What is to the left of an element's comma has no influence on that element.
//! * Time is linear in the length of the line; of a well-formed line, only the
//!   elements asked for are read.
//! * Memory is taken only for a `for` with a backslash in it, for one element at a
//!   time, and is no more than that element's length. The other two are left as they
//!   are written until somebody asks for them.
//! * A quoted string ends on the line it began on: each line is a list in itself
//!   (RFC 9110, section 5.3), so that recipients may join lines or not.
//!
//! Spaces and tabs next to `;` are let through, although RFC 7239 has none there: some
//! proxies write them, and they leave no doubt about what is meant. The other rules
//! are kept to, unquoted colons (`for=192.0.2.1:80`) included.

use std::borrow::Cow;
use std::iter;

use super::{ForwardedHop, node};

/// A token, or what is between the quotes of a quoted string, with its escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForwardedValue<'h>(&'h [u8]);

impl<'h> ForwardedValue<'h> {
    /// What is meant by it.
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

/// Gives the hops in `line` from right to left. Empty elements are left out.
///
/// A hop has no address if its `for` is missing, or is a name (`unknown`, `_hidden`). Nothing
/// at all is known of a hop whose element has broken syntax anywhere in it, or says one thing twice.
pub(super) fn hops(line: &[u8]) -> impl Iterator<Item = ForwardedHop<'_>> {
    rsplit_unquoted(line, b',').map(|element| hop(element).unwrap_or_default())
}

/// Reads `element`, if it is well-formed.
fn hop(element: &[u8]) -> Option<ForwardedHop<'_>> {
    const NAMES: [&[u8]; 3] = [b"for", b"proto", b"host"];
    let mut values = [None; NAMES.len()];
    for pair in rsplit_unquoted(element, b';') {
        let equals = pair.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (&pair[..equals], &pair[equals + 1..]);
        if !is_token(name) {
            return None;
        }
        // For every name: an element that is broken in one place is not to be believed in another.
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

/// What is between the `separator`s that no quoted string contains, last one first,
/// without the space around it and without empty parts.
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

/// Where the last `separator` outside quoted strings is.
///
/// A quote that nothing opens makes one part of all that is left: the part is
/// malformed, and nobody can say where it would have ended.
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

/// Where the quoted string begins whose closing quote comes right behind `text`.
fn opening_quote(text: &[u8]) -> Option<usize> {
    // Inside of a quoted string, a quote comes behind a backslash, never behind an `=`.
    let equals = text.windows(2).rposition(|pair| pair == b"=\"")?;
    Some(equals + 1)
}

/// `value` if it is a token, its inside if it is a quoted string; escapes are still in it.
fn raw_value(value: &[u8]) -> Option<&[u8]> {
    match value {
        [b'"', inside @ .., b'"'] => is_quotable(inside).then_some(inside),
        token => is_token(token).then_some(token),
    }
}

/// Whether `inside` has no bare quote in it and no backslash without a byte to escape.
///
/// Other bytes need no check: all that a header value can hold may be quoted.
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
