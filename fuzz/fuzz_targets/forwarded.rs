//! Any bytes as forwarded headers.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll::fuzzing::forwarded(data));
