//! Any bytes as request ids.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll::fuzzing::request_id(data));
