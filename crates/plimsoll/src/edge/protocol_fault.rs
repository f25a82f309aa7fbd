//! Classifies the errors of hyper for heads that never became requests.
//!
//! Such a head was rejected by the parser or is incomplete, so it never reaches the router. The edge
//! counts it by kind and logs it if hyper has answered it (contract LOG-13).

use std::error::Error as _;

use crate::metrics::ProtocolError;

/// The kind of failure that an error of hyper reports for the head that it was reading.
pub(crate) fn classify_head_error(error: &hyper::Error) -> ProtocolError {
    if error.is_parse_too_large() {
        // hyper has one predicate for both kinds; only its text distinguishes them. The contract
        // tests fail if the text changes.
        if error.to_string().contains("URI") {
            ProtocolError::UriTooLong
        } else {
            ProtocolError::HeadTooLarge
        }
    } else if error.is_parse() {
        ProtocolError::Malformed
    } else if is_violation_by_peer(error) {
        ProtocolError::Http2
    } else {
        ProtocolError::Incomplete
    }
}

/// Whether h2 has closed the connection because the peer violated HTTP/2.
fn is_violation_by_peer(error: &hyper::Error) -> bool {
    error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>())
        .is_some_and(h2::Error::is_library)
}
