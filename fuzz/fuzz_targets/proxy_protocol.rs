//! Any bytes as the PROXY protocol.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plimsoll::fuzzing::proxy_protocol(data));
