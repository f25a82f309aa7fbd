//! Any bytes as records of the log.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll::fuzzing::log(data));
