//! One line on its way into the store: limited, made UTF-8, and read.

use std::{borrow::Cow, hash::BuildHasher};

use super::{
    Stream,
    index::{Entry, Flags},
};
use crate::ingest::{fields::Record, lines::MAX_LINE};

/// A line as text, at most [`MAX_LINE`] long.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) is_cut: bool,
    /// Bytes that are not UTF-8 were replaced.
    pub(super) is_replaced: bool,
}

impl<'a> Line<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let mut is_cut = bytes.len() > MAX_LINE;
        let bytes = if is_cut { beginning(bytes) } else { bytes };
        let mut text = String::from_utf8_lossy(bytes);
        let is_replaced = matches!(text, Cow::Owned(_));
        // Replacement characters are longer than what they replace.
        if text.len() > MAX_LINE {
            is_cut = true;
            text = Cow::Owned(String::from_utf8_lossy(beginning(text.as_bytes())).into_owned());
        }
        Self {
            text,
            is_cut,
            is_replaced,
        }
    }

    /// Returns the entry of this line. `received` is in milliseconds since the epoch.
    pub(super) fn entry(
        &self,
        record: Option<&Record<'_>>,
        stream: Stream,
        received: i64,
        hasher: &impl BuildHasher,
    ) -> Entry {
        let access = record.and_then(|record| record.access.as_ref());
        let flags = Flags::default()
            .with_stream(stream as u8)
            .with(Flags::TEXT, record.is_none())
            .with(Flags::CUT, self.is_cut)
            .with(Flags::ACCESS, access.is_some());
        let time = record.and_then(|record| record.time);
        let mut entry = Entry::new(time.unwrap_or(received), flags);
        if let Some(record) = record {
            entry.set_level(record.level);
            entry.id = key(hasher, record.id.as_deref());
            entry.trace = key(hasher, record.trace.as_deref());
        }
        if let Some(access) = access {
            entry.set_status(access.status);
            entry.set_latency(access.ms);
        }
        entry
    }
}

/// Returns the hash of an id, 0 without one.
pub(super) fn key(hasher: &impl BuildHasher, id: Option<&str>) -> u64 {
    id.map_or(0, |id| hasher.hash_one(id).max(1))
}

/// Returns at most [`MAX_LINE`] bytes, without a part of a character at the end.
fn beginning(bytes: &[u8]) -> &[u8] {
    let mut end = MAX_LINE;
    // A character has at most three further bytes.
    while end > MAX_LINE - 3 && bytes.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    bytes.get(..end).unwrap_or(bytes)
}
