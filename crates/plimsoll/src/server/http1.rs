//! The framing of HTTP/1 requests, checked on the bytes before hyper reads them (RFC 9112, 7.1).
//!
//! hyper accepts framing that other implementations read differently: LF alone in a trailer section,
//! white space after a chunk size, control characters in a chunk extension. It also drops a
//! fragment from the request target. None of this is visible in the parsed request.
//!
//! [`MessageScanner`] is not a second parser. It finds the empty line that ends a head. hyper gets no
//! byte after that line until it has parsed the head and its framing is known
//! ([`Http1State::set_framing`]). The bytes of a chunked body are checked before hyper gets them.
//! So hyper never handles a malformed byte: a read error ends the request and its connection.
//!
//! If hyper and the scanner disagree about the end of a head, the connection is closed.

mod chunked;
mod head;
mod response_batch;

pub(crate) use self::response_batch::ResponseBatch;
use self::{
    chunked::{Chunked, Progress},
    head::{HeadScanner, is_whole_head},
};
use crate::connection::{Framing, Http1State, MalformedFraming};

/// Scans the messages that a client sends, in reads of any size.
#[derive(Debug)]
pub(crate) struct MessageScanner {
    part: MessagePart,
}

/// The part of a message that contains the next byte.
#[derive(Debug)]
enum MessagePart {
    Head(HeadScanner),
    /// Nothing: the head is complete, and hyper has not parsed it.
    Complete,
    /// A body with a length, of which this many bytes are missing.
    Length(u64),
    Chunked(Chunked),
    Malformed,
}

impl MessagePart {
    fn malformed(state: &Http1State) -> Self {
        state.set_malformed();
        Self::Malformed
    }
}

impl MessageScanner {
    pub(crate) const fn new() -> Self {
        Self {
            part: MessagePart::Head(HeadScanner::new()),
        }
    }

    /// Returns how many of `bytes` hyper may read now: up to the end of a head, or up to a malformed
    /// byte. `bytes` is not empty.
    ///
    /// # Errors
    ///
    /// If the first byte is malformed, and from then on.
    pub(crate) fn scan(
        &mut self,
        bytes: &[u8],
        state: &Http1State,
    ) -> Result<usize, MalformedFraming> {
        // The fast path: most requests have no body, and their head arrives in one read.
        if matches!(self.part, MessagePart::Complete) && state.has_no_body() && is_whole_head(bytes)
        {
            state.take_framing();
            return Ok(bytes.len());
        }
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            match &mut self.part {
                MessagePart::Head(head) => {
                    let Some(end) = head.scan(rest) else {
                        return Ok(bytes.len());
                    };
                    if head.has_fragment() {
                        state.set_fragment();
                    }
                    self.part = MessagePart::Complete;
                    return Ok(done + end);
                }
                MessagePart::Complete => {
                    self.part = match state.take_framing() {
                        Some(Framing::Length(0)) => MessagePart::Head(HeadScanner::new()),
                        Some(Framing::Length(length)) => MessagePart::Length(length),
                        Some(Framing::Chunked) => MessagePart::Chunked(Chunked::new()),
                        // The scanner has found the end of the head, and hyper has not.
                        None => MessagePart::malformed(state),
                    };
                }
                MessagePart::Length(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= count as u64;
                    done += count;
                    if *left == 0 {
                        self.part = MessagePart::Head(HeadScanner::new());
                    }
                }
                MessagePart::Chunked(body) => {
                    let (count, progress) = body.scan(rest);
                    done += count;
                    match progress {
                        Progress::Incomplete => {}
                        Progress::Complete => self.part = MessagePart::Head(HeadScanner::new()),
                        Progress::Malformed => self.part = MessagePart::malformed(state),
                    }
                }
                MessagePart::Malformed if done > 0 => break,
                MessagePart::Malformed => return Err(MalformedFraming),
            }
        }
        Ok(done)
    }
}
