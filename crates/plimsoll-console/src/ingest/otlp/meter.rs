//! The limits of what is kept of an item, and the count of what is not.
//!
//! An item is a span or a log record.
//! A small body can describe much: 2 bytes are an empty attribute in protobuf.
//! So every list and every text is limited while it is decoded, and not afterwards.

use std::{borrow::Cow, fmt, str};

/// The most bytes of a value, a name or a key.
pub(crate) const MAX_VALUE: usize = 4 << 10;

/// The most attributes of a span, event, link, resource or scope, and elements of an array.
pub(crate) const MAX_ATTRIBUTES: usize = 128;

/// The most events of a span, and the most links.
pub(crate) const MAX_EVENTS: usize = 128;

/// The most arrays and objects around a value.
pub(crate) const MAX_DEPTH: usize = 16;

/// The most bytes of an item with all its values.
pub(crate) const MAX_ITEM: usize = 256 << 10;

/// The cost of a value beside its text.
const NODE: usize = 8;

/// How much was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cuts {
    /// Texts that were longer than [`MAX_VALUE`], or than the rest of [`MAX_ITEM`].
    pub(crate) texts: u64,
    /// Attributes and elements beyond [`MAX_ATTRIBUTES`], or beyond [`MAX_ITEM`].
    pub(crate) attributes: u64,
    /// Events and links beyond [`MAX_EVENTS`], or beyond [`MAX_ITEM`].
    pub(crate) events: u64,
    /// Values below [`MAX_DEPTH`].
    pub(crate) deep: u64,
    /// Texts with invalid UTF-8, which was replaced.
    pub(crate) replaced: u64,
}

impl Cuts {
    /// Returns the sum.
    pub(crate) const fn total(&self) -> u64 {
        self.texts + self.attributes + self.events + self.deep + self.replaced
    }
}

impl fmt::Display for Cuts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.texts, "texts were cut to 4096 bytes"),
            (self.attributes, "attributes beyond 128 were dropped"),
            (self.events, "events or links beyond 128 were dropped"),
            (self.deep, "values deeper than 16 were dropped"),
            (self.replaced, "texts had invalid UTF-8"),
        ];
        let mut separator = "";
        for (count, text) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{count} {text}")?;
            separator = "; ";
        }
        Ok(())
    }
}

/// Measures an item while it is decoded.
#[derive(Debug)]
pub(crate) struct Meter {
    /// What is left of [`MAX_ITEM`].
    item: usize,
    /// What is left of [`MAX_VALUE`].
    value: usize,
    /// The count before the item.
    before: u64,
    pub(crate) cuts: Cuts,
}

impl Meter {
    pub(crate) const fn new() -> Self {
        Self {
            item: MAX_ITEM,
            value: MAX_VALUE,
            before: 0,
            cuts: Cuts {
                texts: 0,
                attributes: 0,
                events: 0,
                deep: 0,
                replaced: 0,
            },
        }
    }

    /// Begins an item.
    pub(crate) const fn begin_item(&mut self) {
        self.item = MAX_ITEM;
        self.before = self.cuts.total();
    }

    /// Whether a part of the current item is not kept.
    pub(crate) const fn is_cut(&self) -> bool {
        self.cuts.total() > self.before
    }

    /// Begins a value of an attribute, or a text that is none.
    pub(crate) const fn begin_value(&mut self) {
        self.value = MAX_VALUE;
    }

    /// Whether a list of this length may have another attribute. Otherwise it is counted.
    pub(crate) fn admits_attribute(&mut self, length: usize) -> bool {
        let is_admitted = length < MAX_ATTRIBUTES && self.admits_node();
        self.cuts.attributes += u64::from(!is_admitted);
        is_admitted
    }

    /// Whether a list of this length may have another element of the current value.
    pub(crate) fn admits_element(&mut self, length: usize) -> bool {
        let is_admitted = length < MAX_ATTRIBUTES && self.value >= NODE && self.admits_node();
        self.value = self.value.saturating_sub(NODE);
        self.cuts.attributes += u64::from(!is_admitted);
        is_admitted
    }

    /// Whether a list of this length may have another event or link.
    pub(crate) fn admits_event(&mut self, length: usize) -> bool {
        let is_admitted = length < MAX_EVENTS && self.admits_node();
        self.cuts.events += u64::from(!is_admitted);
        is_admitted
    }

    /// Whether arrays and objects may be at this depth.
    pub(crate) fn admits_depth(&mut self, depth: usize) -> bool {
        let is_admitted = depth < MAX_DEPTH;
        self.cuts.deep += u64::from(!is_admitted);
        is_admitted
    }

    fn admits_node(&mut self) -> bool {
        let is_admitted = self.item >= NODE;
        self.item = self.item.saturating_sub(NODE);
        is_admitted
    }

    /// Returns the part of a text that is kept.
    pub(crate) fn text<'a>(&mut self, text: Cow<'a, str>) -> Cow<'a, str> {
        let end = self.take(text.len(), |end| text.floor_char_boundary(end));
        if end == text.len() {
            return text;
        }
        match text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
            // A copy, since the capacity of the whole text would be kept otherwise.
            Cow::Owned(text) => Cow::Owned(text[..end].to_owned()),
        }
    }

    /// Returns the part of a text that is kept. Invalid UTF-8 is replaced.
    pub(crate) fn utf8<'a>(&mut self, bytes: Cow<'a, [u8]>) -> Cow<'a, str> {
        let lossy = match bytes {
            Cow::Borrowed(bytes) => match str::from_utf8(bytes) {
                Ok(text) => return self.text(Cow::Borrowed(text)),
                Err(_) => lossy(bytes),
            },
            Cow::Owned(bytes) => match String::from_utf8(bytes) {
                Ok(text) => return self.text(Cow::Owned(text)),
                Err(error) => lossy(error.as_bytes()),
            },
        };
        self.cuts.replaced += 1;
        self.text(Cow::Owned(lossy))
    }

    /// Returns how many of `length` bytes are kept. `boundary` returns the next lower possible end.
    fn take(&mut self, length: usize, boundary: impl Fn(usize) -> usize) -> usize {
        let limit = self.value.min(self.item);
        let end = if length > limit {
            self.cuts.texts += 1;
            boundary(limit)
        } else {
            length
        };
        self.value -= end;
        self.item -= end;
        end
    }
}

/// Replaces invalid UTF-8 in the part that can be kept. The length is tripled at most.
fn lossy(bytes: &[u8]) -> String {
    // Longer than a value, so that the cut is counted.
    let part = &bytes[..bytes.len().min(MAX_VALUE + 4)];
    String::from_utf8_lossy(part).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_character() {
        let mut meter = Meter::new();
        let text = "ä".repeat(3000);
        meter.begin_item();
        meter.begin_value();
        let kept = meter.text(Cow::Borrowed("x"));
        assert_eq!(kept, "x");
        assert!(!meter.is_cut());
        let kept = meter.text(Cow::Borrowed(&text));
        assert_eq!(kept.len(), MAX_VALUE - 2);
        assert!(meter.is_cut());
        assert_eq!(meter.cuts.to_string(), "1 texts were cut to 4096 bytes");
    }

    #[test]
    fn item_is_limited_as_a_whole() {
        let mut meter = Meter::new();
        meter.begin_item();
        let text = "x".repeat(MAX_VALUE);
        let mut kept = 0;
        for _ in 0..100 {
            meter.begin_value();
            kept += meter.text(Cow::Borrowed(&text)).len();
        }
        assert_eq!(kept, MAX_ITEM);
        assert!(!meter.admits_attribute(0));
        meter.begin_item();
        assert!(meter.admits_attribute(0));
    }

    #[test]
    fn invalid_utf8_is_replaced_and_counted() {
        let mut meter = Meter::new();
        assert_eq!(meter.utf8(b"a\xffb"[..].into()), "a\u{fffd}b");
        let long = [0xff; 3 * MAX_VALUE];
        meter.begin_value();
        assert_eq!(meter.utf8(long[..].into()).len(), MAX_VALUE / 3 * 3);
        assert_eq!(meter.cuts.replaced, 2);
    }
}
