//! Splits a stream of bytes into lines of limited length.
//!
//! Every line is given to the caller once, also if it arrives in parts or is the last one without an end.
//! Memory is limited by [`MAX_LINE`], whatever arrives.

/// The longest line that is kept, in bytes.
pub(crate) const MAX_LINE: usize = 64 * 1024;

/// The lines of a stream, which arrives in parts.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
}

impl Lines {
    /// Calls `line` with each line that `bytes` completes, without its end.
    ///
    /// A line longer than [`MAX_LINE`] is given with one byte more than that, so that the store cuts and
    /// counts it; the rest is skipped.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let content = bytes.get(start..end).unwrap_or_default();
            if self.partial.is_empty() {
                line(limited(content, MAX_LINE + 1));
            } else {
                self.keep(content);
                line(&self.partial);
                self.partial.clear();
            }
            start = end + 1;
        }
        self.keep(bytes.get(start..).unwrap_or_default());
    }

    /// Calls `line` with the last line if the stream ended inside it.
    pub(crate) fn finish(&mut self, line: impl FnOnce(&[u8])) {
        if !self.partial.is_empty() {
            line(&self.partial);
            self.partial.clear();
        }
    }

    fn keep(&mut self, content: &[u8]) {
        let space = (MAX_LINE + 1).saturating_sub(self.partial.len());
        self.partial.extend_from_slice(limited(content, space));
    }
}

fn limited(content: &[u8], length: usize) -> &[u8] {
    content.get(..length).unwrap_or(content)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for part in parts {
            lines.feed(part, |line| found.push(line.to_vec()));
        }
        lines.finish(|line| found.push(line.to_vec()));
        found
    }

    #[test]
    fn torn_lines_are_joined() {
        let found = lines(&[b"a\nb", b"", b"c", b"\n\nd"]);
        assert_eq!(
            found,
            [b"a".to_vec(), b"bc".to_vec(), b"".to_vec(), b"d".to_vec()]
        );
    }

    #[test]
    fn memory_of_a_line_is_limited() {
        let long = vec![b'x'; 3 * MAX_LINE];
        let mut lines = Lines::default();
        let mut lengths = Vec::new();
        for _ in 0..4 {
            lines.feed(&long, |line| lengths.push(line.len()));
        }
        assert!(lines.partial.len() == MAX_LINE + 1);
        lines.feed(b"\nshort\n", |line| lengths.push(line.len()));
        assert_eq!(lengths, [MAX_LINE + 1, 5]);
    }

    proptest! {
        #[test]
        fn parts_do_not_change_lines(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut parts = Vec::new();
            let mut start = 0;
            for cut in cuts {
                parts.push(&bytes[start..cut]);
                start = cut;
            }
            parts.push(&bytes[start..]);
            let mut expected: Vec<Vec<u8>> =
                bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            // A stream that ends with a line's end has no further line.
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(lines(&parts), expected);
        }
    }
}
