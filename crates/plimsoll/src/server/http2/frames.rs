//! A scanner of received frames: detects incomplete heads, and limits control frames.
//!
//! hyper has no timeout for an incomplete head. A client may send half of a HEADERS frame, or HEADERS
//! without the CONTINUATION that it announces. So the frame headers are followed here, not the payload
//! (RFC 9113, 4.1 and 6.10).
//!
//! h2 handles all frames that it can read in one poll of its task. A flood of control frames, such as
//! SETTINGS, which h2 acknowledges, would block the worker. So the number of control frames in one
//! turn is limited, and the connection pauses after them.

use crate::connection::HeadProgress;

/// The preface of a client (RFC 9113, 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of a frame header: length, type, flags, stream.
pub(super) const FRAME_HEADER: usize = 9;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// The number of control frames that a connection handles before it pauses. A client that reads a
/// response sends about one WINDOW_UPDATE for each 16 KiB.
const TURN: u32 = 128;

/// Follows the frames that a client sends.
#[derive(Debug)]
pub(crate) struct Frames {
    /// The number of bytes of the preface that are missing.
    preface: usize,
    /// The header of the next frame, of which `length` bytes have arrived.
    header: [u8; FRAME_HEADER],
    length: usize,
    /// The number of bytes of the current frame's payload that are missing.
    payload: usize,
    /// `Some` if the current frame is part of a head; true if it is the last part.
    head_part: Option<bool>,
    /// Whether a head began in an earlier frame and continues.
    head_continues: bool,
    /// The number of control frames that may begin in this turn.
    control_budget: u32,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self {
            preface: PREFACE.len(),
            header: [0; FRAME_HEADER],
            length: 0,
            payload: 0,
            head_part: None,
            head_continues: false,
            control_budget: TURN,
        }
    }

    /// Returns true if this turn has no control frames left.
    pub(crate) fn is_spent(&self) -> bool {
        self.control_budget == 0
    }

    /// Begins a turn of the connection's task.
    pub(crate) fn begin_turn(&mut self) {
        self.control_budget = TURN;
    }

    /// Follows received bytes. Returns the progress of a head, and how many bytes are of this turn.
    pub(crate) fn follow(&mut self, received: &[u8]) -> (HeadProgress, usize) {
        let mut bytes = received;
        let mut ended = false;
        let skipped = self.preface.min(bytes.len());
        self.preface -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            if self.payload == 0 {
                if self.control_budget == 0 {
                    break;
                }
                let count = (FRAME_HEADER - self.length).min(bytes.len());
                self.header[self.length..self.length + count].copy_from_slice(&bytes[..count]);
                self.length += count;
                bytes = &bytes[count..];
                if self.length < FRAME_HEADER {
                    break;
                }
                self.begin();
            } else {
                let count = self.payload.min(bytes.len());
                self.payload -= count;
                bytes = &bytes[count..];
            }
            if self.payload == 0 {
                ended |= self.end();
            }
        }
        let head = match self.head_continues || self.head_part.is_some() {
            false => HeadProgress::Complete,
            true if ended => HeadProgress::Begun,
            true => HeadProgress::Incomplete,
        };
        (head, received.len() - bytes.len())
    }

    fn begin(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        if !matches!(kind, DATA | HEADERS | CONTINUATION) {
            self.control_budget = self.control_budget.saturating_sub(1);
        }
        self.length = 0;
        self.payload = payload_length([high, middle, low]);
        self.head_part = matches!(kind, HEADERS | CONTINUATION).then_some(flags & END_HEADERS != 0);
    }

    /// Ends the current frame. Returns true if a head ends with it.
    fn end(&mut self) -> bool {
        let Some(last) = self.head_part.take() else {
            return false;
        };
        self.head_continues = !last;
        last
    }
}

/// Returns the payload length of a frame from the first three bytes of its header.
pub(super) const fn payload_length([high, middle, low]: [u8; 3]) -> usize {
    u32::from_be_bytes([0, high, middle, low]) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.extend(payload);
        frame
    }

    /// Whether a head is incomplete after these bytes.
    fn is_incomplete(parts: &[&[u8]]) -> bool {
        let mut frames = Frames::new();
        frames.follow(PREFACE);
        let mut head = HeadProgress::Complete;
        for part in parts {
            (head, _) = frames.follow(part);
        }
        head != HeadProgress::Complete
    }

    #[test]
    fn head_is_incomplete_until_its_last_frame() {
        let whole = frame(HEADERS, END_HEADERS, b"abc");
        assert!(!is_incomplete(&[&whole]));
        assert!(is_incomplete(&[&whole[..10]]), "in the payload");
        assert!(!is_incomplete(&[&whole[..10], &whole[10..]]));
        let begun = frame(HEADERS, 0, b"abc");
        let middle = frame(CONTINUATION, 0, b"");
        let last = frame(CONTINUATION, END_HEADERS, b"d");
        assert!(is_incomplete(&[&begun]), "without its continuation");
        assert!(is_incomplete(&[&begun, &middle]));
        assert!(!is_incomplete(&[&begun, &middle, &last]));
    }

    #[test]
    fn other_frames_are_not_heads() {
        let data = frame(0, 0, b"abc");
        let settings = frame(4, 0, b"");
        assert!(!is_incomplete(&[&data[..11]]));
        assert!(!is_incomplete(&[&settings, &data]));
    }

    #[test]
    fn head_after_another_head_is_reported_as_begun() {
        let whole = frame(HEADERS, END_HEADERS, b"abc");
        let mut frames = Frames::new();
        frames.follow(PREFACE);
        assert_eq!(frames.follow(&whole[..10]).0, HeadProgress::Incomplete);
        assert_eq!(frames.follow(&whole[10..11]).0, HeadProgress::Incomplete);
        let next = [&whole[11..], &whole[..10]].concat();
        assert_eq!(frames.follow(&next).0, HeadProgress::Begun);
        assert_eq!(frames.follow(&whole[10..]).0, HeadProgress::Complete);
    }

    /// H2-3
    #[test]
    fn turn_ends_between_two_frames() {
        let one = frame(4, 0, b"");
        let flood = one.repeat(300);
        let mut frames = Frames::new();
        frames.follow(PREFACE);
        frames.follow(&one[..5]);
        let mut rest = &flood[5..];
        let mut turns = 0;
        while !rest.is_empty() {
            frames.begin_turn();
            let (head, count) = frames.follow(rest);
            assert_eq!(head, HeadProgress::Complete);
            assert!(frames.is_spent() || count == rest.len());
            rest = &rest[count..];
            assert_eq!(rest.len() % one.len(), 0);
            turns += 1;
        }
        assert_eq!(turns, 3);
    }

    proptest! {
        #[test]
        fn progress_does_not_depend_on_read_boundaries(
            kinds in proptest::collection::vec((0_u8..10, any::<u8>(), 0_usize..40), 0..8),
            cut in 0_usize..400,
        ) {
            let mut bytes = PREFACE.to_vec();
            for (kind, flags, length) in kinds {
                bytes.extend(frame(kind, flags, &vec![0; length]));
            }
            let cut = cut.min(bytes.len());
            let mut cut_once = Frames::new();
            cut_once.follow(&bytes[..cut]);
            let mut by_bytes = Frames::new();
            let mut last = HeadProgress::Complete;
            for byte in &bytes {
                (last, _) = by_bytes.follow(std::slice::from_ref(byte));
            }
            let once = cut_once.follow(&bytes[cut..]).0 == HeadProgress::Complete;
            prop_assert_eq!(once, last == HeadProgress::Complete);
        }
    }
}
