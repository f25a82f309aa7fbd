//! A chunked body by the grammar of RFC 9112, 7.1, byte by byte.

/// A chunked body, as far as it has come.
#[derive(Debug)]
pub(super) struct Chunked {
    next: Next,
    /// The size of the present chunk, or what is still to come of its data.
    size: u64,
}

/// Where the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    FirstDigit,
    Digit,
    /// Behind white space that only an extension may follow.
    Semicolon,
    FirstOfName,
    Name,
    /// Behind the white space that follows a name.
    BehindName,
    FirstOfValue,
    Value,
    Quoted,
    Escaped,
    BehindQuoted,
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

/// How far a body is.
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
            next: Next::FirstDigit,
            size: 0,
        }
    }

    /// Returns how many of `bytes` are a part of the body, and what follows them.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> (usize, Progress) {
        let mut done = 0;
        while let Some(&byte) = bytes.get(done) {
            if self.next == Next::Data {
                let rest = bytes.len() - done;
                let count = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest);
                self.size -= count as u64;
                done += count;
                if self.size == 0 {
                    self.next = Next::DataCr;
                }
                continue;
            }
            let Some(next) = self.follow(byte) else {
                return (done, Progress::Malformed);
            };
            self.next = next;
            done += 1;
            if next == Next::End {
                return (done, Progress::Complete);
            }
        }
        (done, Progress::Incomplete)
    }

    /// Returns where the byte behind `byte` belongs, or nothing if `byte` is malformed.
    fn follow(&mut self, byte: u8) -> Option<Next> {
        Some(match (self.next, byte) {
            (Next::FirstDigit | Next::Digit, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16)?;
                self.size = self.size.checked_mul(16)? | u64::from(digit);
                Next::Digit
            }
            (Next::Digit | Next::Name | Next::Value | Next::BehindQuoted, b'\r') => Next::SizeLf,
            (
                Next::Digit
                | Next::Semicolon
                | Next::Name
                | Next::BehindName
                | Next::Value
                | Next::BehindQuoted,
                b';',
            ) => Next::FirstOfName,
            (Next::Digit | Next::Semicolon | Next::Value | Next::BehindQuoted, b' ' | b'\t') => {
                Next::Semicolon
            }
            (Next::Name | Next::BehindName, b' ' | b'\t') => Next::BehindName,
            (Next::Name | Next::BehindName, b'=') => Next::FirstOfValue,
            (Next::FirstOfName | Next::FirstOfValue, b' ' | b'\t') => self.next,
            (Next::FirstOfName | Next::Name, _) if is_token(byte) => Next::Name,
            (Next::FirstOfValue, b'"') => Next::Quoted,
            (Next::FirstOfValue | Next::Value, _) if is_token(byte) => Next::Value,
            (Next::Quoted, b'"') => Next::BehindQuoted,
            (Next::Quoted, b'\\') => Next::Escaped,
            (Next::Quoted | Next::Escaped, _) if is_text(byte) => Next::Quoted,
            (Next::SizeLf, b'\n') if self.size == 0 => Next::Trailer,
            (Next::SizeLf, b'\n') => Next::Data,
            (Next::DataCr, b'\r') => Next::DataLf,
            (Next::DataLf, b'\n') => Next::FirstDigit,
            (Next::Trailer, b'\r') => Next::LastLf,
            (Next::TrailerName, b':') => Next::TrailerValue,
            (Next::Trailer | Next::TrailerName, _) if is_token(byte) => Next::TrailerName,
            (Next::TrailerValue, b'\r') => Next::TrailerLf,
            (Next::TrailerValue, _) if is_text(byte) => Next::TrailerValue,
            (Next::TrailerLf, b'\n') => Next::Trailer,
            (Next::LastLf, b'\n') => Next::End,
            _ => return None,
        })
    }
}

/// `tchar` (RFC 9110, 5.6.2).
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

/// What a field value or a quoted string may contain: white space, visible characters, and bytes
/// outside of ASCII (RFC 9110, 5.5 and 5.6.4).
const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
