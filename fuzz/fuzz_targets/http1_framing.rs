//! Any bytes as the messages of HTTP/1.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll::fuzzing::http1_framing(data));
