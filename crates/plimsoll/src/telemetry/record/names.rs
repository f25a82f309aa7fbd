//! The names of fields: any text, or a literal that is prepared for both formats.

use super::{is_leading, json_text};

/// The name of a field.
pub(crate) trait Name {
    /// The maximum number of bytes that the name takes.
    fn size(&self) -> usize;

    fn write_json(&self, out: &mut Vec<u8>);

    fn write_pretty(&self, out: &mut Vec<u8>);
}

/// Any text, such as the name of a field of an event.
impl<T: AsRef<str> + ?Sized> Name for &T {
    fn size(&self) -> usize {
        // An escaped character takes at most six bytes.
        self.as_ref().len().saturating_mul(6)
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let name = (*self).as_ref();
        out.extend_from_slice(b",\"");
        json_text(out, name, usize::MAX);
        if is_leading(name) {
            out.push(b'_');
        }
        out.extend_from_slice(b"\":");
    }

    fn write_pretty(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b" \x1b[2m");
        json_text(out, (*self).as_ref(), usize::MAX);
        out.extend_from_slice(b"=\x1b[0m");
    }
}

/// A field name that is prepared for both formats, for fields of every access record. Created by
/// [`key!`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) json: &'static str,
    pub(crate) pretty: &'static str,
}

impl Name for Key {
    #[inline]
    fn size(&self) -> usize {
        self.json.len()
    }

    #[inline]
    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.json.as_bytes());
    }

    fn write_pretty(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.pretty.as_bytes());
    }
}

/// Creates a [`Key`] from a literal that needs no escaping and is not a leading field.
macro_rules! key {
    ($name:literal) => {
        $crate::telemetry::Key {
            json: concat!(",\"", $name, "\":"),
            pretty: concat!(" \x1b[2m", $name, "=\x1b[0m"),
        }
    };
}
pub(crate) use key;
