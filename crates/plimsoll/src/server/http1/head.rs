//! A scanner that finds the end of a head, and a fragment in its request target.
//!
//! A head ends with an empty line. Lines end with CR LF or with LF alone, as RFC 9112, 2.2, permits
//! and hyper accepts. Empty lines before the request line are skipped.

/// Scans a head, in reads of any size.
#[derive(Debug)]
pub(super) struct HeadScanner {
    line: RequestLine,
    tail: Tail,
    fragment: bool,
}

/// The part of the request line that contains the next byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestLine {
    /// None: only empty lines have arrived.
    Before,
    Method,
    /// The target or the version.
    Target,
    /// None: the line is complete.
    Complete,
}

/// The last bytes before the next one, as far as an empty line may have begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    Text,
    Lf,
    LfCr,
}

impl HeadScanner {
    pub(super) const fn new() -> Self {
        Self {
            line: RequestLine::Before,
            tail: Tail::Text,
            fragment: false,
        }
    }

    /// Returns true if the target of a complete head has a fragment.
    pub(super) const fn has_fragment(&self) -> bool {
        self.fragment
    }

    /// Returns how many of `bytes` are part of the head, if it ends in them.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut start = 0;
        if self.line == RequestLine::Before {
            start = bytes
                .iter()
                .position(|byte| !matches!(byte, b'\r' | b'\n'))?;
            self.line = RequestLine::Method;
        }
        let mut next = start;
        while self.tail != Tail::Text && next < bytes.len() {
            let byte = bytes[next];
            next += 1;
            self.tail = match (self.tail, byte) {
                (_, b'\n') => return Some(next),
                (Tail::Lf, b'\r') => Tail::LfCr,
                _ => Tail::Text,
            };
        }
        let rest = &bytes[next..];
        let found = HeadMatch::search(rest);
        let end = found.end.map(|end| next + end);
        if self.line != RequestLine::Complete && (found.hash || end.is_none()) {
            self.scan_line(&bytes[start..end.unwrap_or(bytes.len())]);
        }
        if end.is_none() {
            self.tail = match rest {
                [] => self.tail,
                [.., b'\n'] => Tail::Lf,
                [.., b'\n', b'\r'] => Tail::LfCr,
                _ => Tail::Text,
            };
        }
        end
    }

    /// Scans a part of the request line for a fragment. A `#` in the method is not one.
    fn scan_line(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match (self.line, byte) {
                (_, b'\n') => {
                    self.line = RequestLine::Complete;
                    return;
                }
                (RequestLine::Method, b' ') => self.line = RequestLine::Target,
                (RequestLine::Target, b'#') => self.fragment = true,
                _ => {}
            }
        }
    }
}

/// Returns true if `bytes` are exactly one head that certainly has no fragment.
pub(super) fn is_whole_head(bytes: &[u8]) -> bool {
    match bytes {
        [b'\r' | b'\n', ..] => false,
        [front @ .., b'\r', b'\n'] => front.ends_with(b"\n") && find_suspicious(front).is_none(),
        _ => false,
    }
}

/// The result of a search.
struct HeadMatch {
    /// The index after the first empty line that follows another line.
    end: Option<usize>,
    /// Whether there may be a `#` before it.
    hash: bool,
}

impl HeadMatch {
    fn search(bytes: &[u8]) -> Self {
        let mut hash = false;
        let mut from = 0;
        while let Some(at) = find_suspicious(&bytes[from..]) {
            from += at;
            // An empty line that begins in the window ends at most two bytes after it.
            let window = &bytes[from..bytes.len().min(from + LANES + 2)];
            hash |= window.contains(&b'#');
            if let Some(end) = find_empty_line(window) {
                let end = Some(from + end);
                return Self { end, hash };
            }
            from = bytes.len().min(from + LANES);
        }
        Self { end: None, hash }
    }
}

/// The number of bytes compared at a time: two vectors of baseline x86-64.
const LANES: usize = 32;

/// Returns the index of a window that may contain a `#`, or the end of a line before an empty line.
/// The bytes before that index contain neither.
fn find_suspicious(bytes: &[u8]) -> Option<usize> {
    let (_, shifted) = bytes.split_first()?;
    let (windows, _) = bytes.as_chunks();
    let (nexts, _) = shifted.as_chunks();
    for (index, (window, next)) in windows.iter().zip(nexts).enumerate() {
        if is_suspicious(window, next) {
            return Some(index * LANES);
        }
    }
    // The remaining bytes are compared together with some bytes before them.
    let front = &bytes[..shifted.len()];
    match (front.last_chunk(), shifted.last_chunk()) {
        (Some(window), Some(next)) => is_suspicious(window, next).then_some(front.len() - LANES),
        _ => Some(0),
    }
}

/// Compares one window, without branches, so that the compiler uses vector instructions. No line of a
/// valid head begins with a byte below CR.
fn is_suspicious(window: &[u8; LANES], next: &[u8; LANES]) -> bool {
    let mut suspicious = [0; LANES];
    for lane in 0..LANES {
        let ends_line = (window[lane] == b'\n') & (next[lane] <= b'\r');
        suspicious[lane] = u8::from(ends_line | (window[lane] == b'#'));
    }
    suspicious.iter().fold(0, |any, lane| any | lane) != 0
}

/// Returns the index after the first empty line that follows another line.
fn find_empty_line(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|&byte| byte == b'\n') {
        from += at + 1;
        match bytes[from..] {
            [b'\n', ..] => return Some(from + 1),
            [b'\r', b'\n', ..] => return Some(from + 2),
            _ => {}
        }
    }
    None
}
