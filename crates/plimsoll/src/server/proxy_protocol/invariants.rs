//! What holds for any bytes: the one statement of it, for the property tests and for the fuzzer.

use super::{MAX_HEADER, Parsed, parse};

/// Parses `bytes`, and every beginning of them as if the rest had not come yet.
///
/// # Panics
///
/// If the result depends on where they were cut, on what stands behind the header, or on more
/// bytes than a header may have.
pub(crate) fn check(bytes: &[u8]) {
    let whole = parse(bytes);
    for end in 0..bytes.len() {
        let begun = parse(&bytes[..end]);
        assert!(
            begun == whole || begun == Ok(Parsed::NeedMore),
            "{begun:?} of the first {end} bytes, but {whole:?} of all"
        );
    }
    match whole {
        Ok(Parsed::NeedMore) => assert!(bytes.len() < MAX_HEADER, "more than may be needed"),
        Ok(Parsed::Done { length, .. }) => {
            assert!(length <= bytes.len().min(MAX_HEADER), "longer than it is");
            assert_eq!(parse(&bytes[..length]), whole, "by what is behind it");
            let unfinished = parse(&bytes[..length - 1]);
            assert_eq!(unfinished, Ok(Parsed::NeedMore), "done before its end");
        }
        Err(_) => {}
    }
}
