//! Any bytes as the context of a trace.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll::fuzzing::traceparent(data));
