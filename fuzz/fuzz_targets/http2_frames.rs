//! Any bytes as the frames of HTTP/2.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll::fuzzing::http2_frames(data));
