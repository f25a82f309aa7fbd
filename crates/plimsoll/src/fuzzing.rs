//! Entry points of the fuzz targets. Each takes any bytes and panics if an invariant is violated.
//!
//! This module is compiled for unit tests and with `--cfg fuzzing`, which `cargo fuzz` sets.
//! Each submodule compares a parser with a reference reader. The reference readers are simple on
//! purpose: they have all bytes at once and share no code with the parser.
//!
//! `fuzz/corpus` holds the inputs that reach distinct code. The tests of this module run all of them
//! without a fuzzer.

mod access_record;
mod cuts;
mod forwarded;
mod http1_framing;
mod http2_frames;
mod log;
pub(crate) mod proxy_protocol;
mod request_id;
#[cfg(feature = "otlp")]
mod traceparent;

use crate::config::LogFormat;

/// Checks client address resolution, and the scheme and host of the request.
///
/// The input is lines: the configured header (`f` for `Forwarded`; a second letter means TLS), the peer,
/// the trusted proxies, then headers. A header is a letter and its value: `x` for `X-Forwarded-For`, `f`
/// for `Forwarded`, `p` and `h` for `X-Forwarded-Proto` and `-Host`, `H` for `Host`, `u` and `o` for
/// headers with similar names.
///
/// # Panics
///
/// On a violation of contract IP-1, IP-2, IP-3 or IP-5.
pub fn forwarded(data: &[u8]) {
    forwarded::check(data);
}

/// Checks the PROXY protocol. The input is the first bytes of a connection.
///
/// # Panics
///
/// On a violation of contract IP-4.
pub fn proxy_protocol(data: &[u8]) {
    proxy_protocol::check(data);
}

/// Checks the validation of request ids. The input has one request id per line.
///
/// # Panics
///
/// On a violation of contract RID-2.
pub fn request_id(data: &[u8]) {
    request_id::check(data);
}

/// Checks an access record or another record, in JSON or in the pretty format.
///
/// The input is parts that end in the byte 0xFF, which does not occur in UTF-8. The first part is
/// numbers, and its first byte selects the kind of record and the format. The parts of an access record
/// are method, target, user agent and id. The parts of another record are name, message, id, then keys
/// and values.
///
/// # Panics
///
/// On a violation of contract LOG-1, LOG-2, LOG-3 or LOG-8.
pub fn log(data: &[u8]) {
    let mut pieces = data.split(|&byte| byte == 0xFF);
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(pieces.next().unwrap_or_default()) {
        *to = *from;
    }
    let number = u64::from_le_bytes(bytes);
    let texts: Vec<&[u8]> = pieces.collect();
    let format = match number & 8 {
        0 => LogFormat::Json,
        _ => LogFormat::Pretty,
    };
    if number & 16 == 0 {
        let text = |index: usize| texts.get(index).copied().unwrap_or_default();
        access_record::check(format, number, [0, 1, 2, 3].map(text));
    } else {
        log::check(format, number, &texts);
    }
}

/// Checks the HTTP/2 frame reader. The input is the bytes after the connection preface.
///
/// # Panics
///
/// If the detection of an incomplete head is wrong, or depends on how the bytes are cut into reads.
pub fn http2_frames(data: &[u8]) {
    http2_frames::check(data);
}

/// Checks the HTTP/1 message scanner. The input is the bytes that a client sends over one connection.
///
/// A head with the line `Content-Length: n` has a body of that length, one with
/// `Transfer-Encoding: chunked` a chunked body, and any other none.
///
/// # Panics
///
/// If the end of a head, a fragment or a malformed byte is missed, or depends on how the bytes are cut
/// into reads (contract SRV-3).
pub fn http1_framing(data: &[u8]) {
    http1_framing::check(data);
}

/// Checks trace contexts. The input has one `traceparent` per line, then an empty line, then one
/// `tracestate` per line.
///
/// # Panics
///
/// On a violation of contract TRC-1.
#[cfg(feature = "otlp")]
pub fn traceparent(data: &[u8]) {
    traceparent::check(data);
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    #[track_caller]
    fn replay(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
        let entries = fs::read_dir(folder.join(target)).expect("the corpus is committed");
        let mut count = 0;
        for entry in entries {
            let path = entry.unwrap().path();
            // Shown only if the run panics.
            println!("{}", path.display());
            run(&fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "the corpus of {target} is empty");
    }

    #[test]
    fn corpus_of_forwarded_passes() {
        replay("forwarded", super::forwarded);
    }

    #[test]
    fn corpus_of_proxy_protocol_passes() {
        replay("proxy_protocol", super::proxy_protocol);
    }

    #[test]
    fn corpus_of_request_id_passes() {
        replay("request_id", super::request_id);
    }

    #[test]
    fn corpus_of_log_passes() {
        replay("log", super::log);
    }

    /// TRC-1
    #[cfg(feature = "otlp")]
    #[test]
    fn corpus_of_traceparent_passes() {
        replay("traceparent", super::traceparent);
    }

    #[test]
    fn corpus_of_http2_frames_passes() {
        replay("http2_frames", super::http2_frames);
    }

    /// SRV-3
    #[test]
    fn corpus_of_http1_framing_passes() {
        replay("http1_framing", super::http1_framing);
    }
}
