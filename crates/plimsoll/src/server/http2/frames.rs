//! Whether a client is in the middle of a head.
//!
//! hyper has no deadline for that: a client may send half of a HEADERS frame, or HEADERS without the
//! CONTINUATION that it announces, and stop. So the frames are followed here, without a look at what
//! is in them (RFC 9113, 4.1 and 6.10).
//!
//! h2 handles all frames that it can read in one turn of its task. A flood of control frames, such as
//! SETTINGS, which have to be acknowledged, would hold the worker. So those of one turn are limited
//! here, and the stream pauses behind them.

use crate::connection::HeadProgress;

/// Length, type, flags, stream.
const HEADER: usize = 9;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// How many control frames a connection may handle before it pauses. A client that reads an answer
/// sends about one WINDOW_UPDATE for each 16 KiB.
const TURN: u32 = 128;

/// Follows the frames that a client sends.
#[derive(Debug)]
pub(crate) struct Frames {
    /// Of the preface.
    preface: usize,
    /// The header of the next frame, as far as it is there.
    header: [u8; HEADER],
    length: usize,
    /// What is still to come of the present frame's payload.
    payload: usize,
    /// The present frame is a part of a head, and whether it is the last.
    part: Option<bool>,
    /// A head has begun in an earlier frame, and goes on.
    goes_on: bool,
    /// How many control frames may begin in this turn.
    left: u32,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self {
            preface: super::PREFACE.len(),
            header: [0; HEADER],
            length: 0,
            payload: 0,
            part: None,
            goes_on: false,
            left: TURN,
        }
    }

    /// Whether the control frames of this turn have all begun.
    pub(crate) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Begins a turn of the connection's task.
    pub(crate) fn begin_turn(&mut self) {
        self.left = TURN;
    }

    /// Sees what came. Returns how much of it belongs to the frames of this turn, too.
    pub(crate) fn see(&mut self, came: &[u8]) -> (HeadProgress, usize) {
        let mut bytes = came;
        let mut ended = false;
        let skipped = self.preface.min(bytes.len());
        self.preface -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            if self.payload == 0 {
                if self.left == 0 {
                    break;
                }
                let count = (HEADER - self.length).min(bytes.len());
                self.header[self.length..self.length + count].copy_from_slice(&bytes[..count]);
                self.length += count;
                bytes = &bytes[count..];
                if self.length < HEADER {
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
        let head = match self.goes_on || self.part.is_some() {
            false => HeadProgress::Complete,
            true if ended => HeadProgress::Begun,
            true => HeadProgress::Incomplete,
        };
        (head, came.len() - bytes.len())
    }

    fn begin(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        if !matches!(kind, DATA | HEADERS | CONTINUATION) {
            self.left = self.left.saturating_sub(1);
        }
        self.length = 0;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.part = matches!(kind, HEADERS | CONTINUATION).then_some(flags & END_HEADERS != 0);
    }

    /// Says whether that was the end of a head.
    fn end(&mut self) -> bool {
        let Some(last) = self.part.take() else {
            return false;
        };
        self.goes_on = !last;
        last
    }
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

    fn after(parts: &[&[u8]]) -> bool {
        let mut frames = Frames::new();
        frames.see(super::super::PREFACE);
        let mut head = HeadProgress::Complete;
        for part in parts {
            (head, _) = frames.see(part);
        }
        head != HeadProgress::Complete
    }

    #[test]
    fn a_head_is_incomplete_until_its_last_frame_has_come() {
        let whole = frame(HEADERS, END_HEADERS, b"abc");
        assert!(!after(&[&whole]));
        assert!(after(&[&whole[..10]]), "in the payload");
        assert!(!after(&[&whole[..10], &whole[10..]]));
        let begun = frame(HEADERS, 0, b"abc");
        let middle = frame(CONTINUATION, 0, b"");
        let last = frame(CONTINUATION, END_HEADERS, b"d");
        assert!(after(&[&begun]), "without its continuation");
        assert!(after(&[&begun, &middle]));
        assert!(!after(&[&begun, &middle, &last]));
    }

    #[test]
    fn other_frames_are_no_heads() {
        let data = frame(0, 0, b"abc");
        let settings = frame(4, 0, b"");
        assert!(!after(&[&data[..11]]));
        assert!(!after(&[&settings, &data]));
    }

    #[test]
    fn a_head_behind_another_has_a_time_of_its_own() {
        let whole = frame(HEADERS, END_HEADERS, b"abc");
        let mut frames = Frames::new();
        frames.see(super::super::PREFACE);
        assert_eq!(frames.see(&whole[..10]).0, HeadProgress::Incomplete);
        assert_eq!(frames.see(&whole[10..11]).0, HeadProgress::Incomplete);
        let next = [&whole[11..], &whole[..10]].concat();
        assert_eq!(frames.see(&next).0, HeadProgress::Begun);
        assert_eq!(frames.see(&whole[10..]).0, HeadProgress::Complete);
    }

    #[test]
    fn turn_ends_between_two_frames() {
        let one = frame(4, 0, b"");
        let flood = one.repeat(300);
        let mut frames = Frames::new();
        frames.see(super::super::PREFACE);
        frames.see(&one[..5]);
        let mut rest = &flood[5..];
        let mut turns = 0;
        while !rest.is_empty() {
            frames.begin_turn();
            let (head, count) = frames.see(rest);
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
        fn the_answer_is_the_same_wherever_the_bytes_are_cut(
            kinds in proptest::collection::vec((0_u8..10, any::<u8>(), 0_usize..40), 0..8),
            cut in 0_usize..400,
        ) {
            let mut bytes = super::super::PREFACE.to_vec();
            for (kind, flags, length) in kinds {
                bytes.extend(frame(kind, flags, &vec![0; length]));
            }
            let cut = cut.min(bytes.len());
            let mut cut_once = Frames::new();
            cut_once.see(&bytes[..cut]);
            let mut by_bytes = Frames::new();
            let mut last = HeadProgress::Complete;
            for byte in &bytes {
                (last, _) = by_bytes.see(std::slice::from_ref(byte));
            }
            let once = cut_once.see(&bytes[cut..]).0 == HeadProgress::Complete;
            prop_assert_eq!(once, last == HeadProgress::Complete);
        }
    }
}
