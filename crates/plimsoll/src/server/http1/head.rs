//! The end of a head, and a fragment in its request target.
//!
//! A head ends with an empty line. Lines end with CR LF or with LF alone, as RFC 9112, 2.2, lets a
//! recipient read them and hyper does. Empty lines in front of the request line are skipped.

/// A head, as far as it has come.
#[derive(Debug)]
pub(super) struct HeadScanner {
    line: RequestLine,
    tail: Tail,
    fragment: bool,
}

/// The part of the request line that the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestLine {
    /// None: only empty lines have come.
    Before,
    Method,
    /// The target or the version.
    Target,
    /// None: the line is complete.
    Complete,
}

/// The bytes in front of the next one, as far as an empty line may have begun.
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

    /// Whether the target of a complete head has a fragment.
    pub(super) const fn has_fragment(&self) -> bool {
        self.fragment
    }

    /// Returns how many of `bytes` belong to the head, if it ends in them.
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
            self.follow_line(&bytes[start..end.unwrap_or(bytes.len())]);
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

    /// Looks for a fragment in what has come of the request line. A method may contain `#`.
    fn follow_line(&mut self, bytes: &[u8]) {
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

/// Whether `bytes` are one head and nothing else, and certainly without a fragment.
pub(super) fn is_whole_head(bytes: &[u8]) -> bool {
    match bytes {
        [b'\r' | b'\n', ..] => false,
        [front @ .., b'\r', b'\n'] => front.ends_with(b"\n") && find_suspicious(front).is_none(),
        _ => false,
    }
}

/// What a search has found.
struct HeadMatch {
    /// The index behind the first empty line that follows another line.
    end: Option<usize>,
    /// Whether there may be a `#` in front of it.
    hash: bool,
}

impl HeadMatch {
    fn search(bytes: &[u8]) -> Self {
        let mut hash = false;
        let mut from = 0;
        while let Some(at) = find_suspicious(&bytes[from..]) {
            from += at;
            // An empty line that begins in the window ends two bytes behind it at the latest.
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

/// How many bytes are compared at a time, which takes two vectors of the smallest x86-64.
const LANES: usize = 32;

/// Returns the place of some bytes among which there may be a `#`, or the end of a line that an empty
/// line follows. What is in front of that place contains neither.
fn find_suspicious(bytes: &[u8]) -> Option<usize> {
    let (_, behind) = bytes.split_first()?;
    let (windows, _) = bytes.as_chunks();
    let (nexts, _) = behind.as_chunks();
    for (index, (window, next)) in windows.iter().zip(nexts).enumerate() {
        if is_suspicious(window, next) {
            return Some(index * LANES);
        }
    }
    // What is left is compared together with some bytes in front of it.
    let front = &bytes[..behind.len()];
    match (front.last_chunk(), behind.last_chunk()) {
        (Some(window), Some(next)) => is_suspicious(window, next).then_some(front.len() - LANES),
        _ => Some(0),
    }
}

/// Without branches, so that it becomes vector instructions. No line of a valid head begins with a
/// byte below CR.
fn is_suspicious(window: &[u8; LANES], next: &[u8; LANES]) -> bool {
    let mut suspicious = [0; LANES];
    for lane in 0..LANES {
        let ends_line = (window[lane] == b'\n') & (next[lane] <= b'\r');
        suspicious[lane] = u8::from(ends_line | (window[lane] == b'#'));
    }
    suspicious.iter().fold(0, |any, lane| any | lane) != 0
}

/// Returns the index behind the first empty line that follows another line.
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
