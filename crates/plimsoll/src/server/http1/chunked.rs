//! A scanner of chunked bodies, by the grammar of RFC 9112, 7.1.

/// Scans a chunked body byte by byte.
#[derive(Debug)]
pub(super) struct Chunked {
    next: ChunkedState,
    /// The size of the current chunk, or the number of its bytes that are missing.
    size: u64,
}

/// The element of the grammar that contains the next byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChunkedState {
    FirstDigit,
    Digit,
    /// After white space that only an extension may follow.
    Semicolon,
    FirstOfName,
    Name,
    /// After the white space that follows a name.
    AfterName,
    FirstOfValue,
    Value,
    Quoted,
    Escaped,
    AfterQuoted,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// A trailer field, or the empty line that ends the body.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    End,
}

/// The progress of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Incomplete,
    Complete,
    /// The next byte is malformed.
    Malformed,
}

impl Chunked {
    pub(super) const fn new() -> Self {
        Self {
            next: ChunkedState::FirstDigit,
            size: 0,
        }
    }

    /// Returns how many of `bytes` are part of the body, and the progress after them.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> (usize, Progress) {
        let mut done = 0;
        while let Some(&byte) = bytes.get(done) {
            if self.next == ChunkedState::Data {
                let rest = bytes.len() - done;
                let count = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest);
                self.size -= count as u64;
                done += count;
                if self.size == 0 {
                    self.next = ChunkedState::DataCr;
                }
                continue;
            }
            let Some(next) = self.step(byte) else {
                return (done, Progress::Malformed);
            };
            self.next = next;
            done += 1;
            if next == ChunkedState::End {
                return (done, Progress::Complete);
            }
        }
        (done, Progress::Incomplete)
    }

    /// Returns the state after `byte`, or `None` if `byte` is malformed.
    fn step(&mut self, byte: u8) -> Option<ChunkedState> {
        Some(match (self.next, byte) {
            (
                ChunkedState::FirstDigit | ChunkedState::Digit,
                b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F',
            ) => {
                let digit = char::from(byte).to_digit(16)?;
                self.size = self.size.checked_mul(16)? | u64::from(digit);
                ChunkedState::Digit
            }
            (
                ChunkedState::Digit
                | ChunkedState::Name
                | ChunkedState::Value
                | ChunkedState::AfterQuoted,
                b'\r',
            ) => ChunkedState::SizeLf,
            (
                ChunkedState::Digit
                | ChunkedState::Semicolon
                | ChunkedState::Name
                | ChunkedState::AfterName
                | ChunkedState::Value
                | ChunkedState::AfterQuoted,
                b';',
            ) => ChunkedState::FirstOfName,
            (
                ChunkedState::Digit
                | ChunkedState::Semicolon
                | ChunkedState::Value
                | ChunkedState::AfterQuoted,
                b' ' | b'\t',
            ) => ChunkedState::Semicolon,
            (ChunkedState::Name | ChunkedState::AfterName, b' ' | b'\t') => ChunkedState::AfterName,
            (ChunkedState::Name | ChunkedState::AfterName, b'=') => ChunkedState::FirstOfValue,
            (ChunkedState::FirstOfName | ChunkedState::FirstOfValue, b' ' | b'\t') => self.next,
            (ChunkedState::FirstOfName | ChunkedState::Name, _) if is_token(byte) => {
                ChunkedState::Name
            }
            (ChunkedState::FirstOfValue, b'"') => ChunkedState::Quoted,
            (ChunkedState::FirstOfValue | ChunkedState::Value, _) if is_token(byte) => {
                ChunkedState::Value
            }
            (ChunkedState::Quoted, b'"') => ChunkedState::AfterQuoted,
            (ChunkedState::Quoted, b'\\') => ChunkedState::Escaped,
            (ChunkedState::Quoted | ChunkedState::Escaped, _) if is_text(byte) => {
                ChunkedState::Quoted
            }
            (ChunkedState::SizeLf, b'\n') if self.size == 0 => ChunkedState::Trailer,
            (ChunkedState::SizeLf, b'\n') => ChunkedState::Data,
            (ChunkedState::DataCr, b'\r') => ChunkedState::DataLf,
            (ChunkedState::DataLf, b'\n') => ChunkedState::FirstDigit,
            (ChunkedState::Trailer, b'\r') => ChunkedState::LastLf,
            (ChunkedState::TrailerName, b':') => ChunkedState::TrailerValue,
            (ChunkedState::Trailer | ChunkedState::TrailerName, _) if is_token(byte) => {
                ChunkedState::TrailerName
            }
            (ChunkedState::TrailerValue, b'\r') => ChunkedState::TrailerLf,
            (ChunkedState::TrailerValue, _) if is_text(byte) => ChunkedState::TrailerValue,
            (ChunkedState::TrailerLf, b'\n') => ChunkedState::Trailer,
            (ChunkedState::LastLf, b'\n') => ChunkedState::End,
            _ => return None,
        })
    }
}

/// Returns true for a `tchar` (RFC 9110, 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Returns true for bytes of a field value or a quoted string: white space, visible characters, and
/// bytes outside of ASCII (RFC 9110, 5.5 and 5.6.4).
const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
