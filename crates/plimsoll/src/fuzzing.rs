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

/// The walk along forwarded headers, and the scheme and host that come with it.
///
/// A line each: `f` for `Forwarded` (and a second letter for a connection over TLS), the peer, the
/// trusted proxies, then headers: `x` for `X-Forwarded-For`, `f` for `Forwarded`, `p` and `h` for
/// `X-Forwarded-Proto` and `-Host`, `H` for `Host`, `u` and `o` for look-alikes, and the value.
///
/// # Panics
///
/// On a breach of contract IP-1, IP-2, IP-3 or IP-5.
pub fn forwarded(data: &[u8]) {
    forwarded::check(data);
}

/// What a connection begins with when its peer must send a PROXY header.
///
/// # Panics
///
/// On a breach of contract IP-4.
pub fn proxy_protocol(data: &[u8]) {
    proxy_protocol::check(data);
}

/// One request id a line.
///
/// # Panics
///
/// On a breach of contract RID-2.
pub fn request_id(data: &[u8]) {
    request_id::check(data);
}

/// The access record, or a record of a user's, for a reader of JSON or for a person.
///
/// The byte 0xFF, which no text has, ends each of: some bytes for numbers, the first of which says
/// which of the four it is; method, target, agent and id of a request, or name, message, id, keys
/// and values of the other record.
///
/// # Panics
///
/// On a breach of contract LOG-1, LOG-2, LOG-3 or LOG-8.
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

/// What a client sends behind the preface of HTTP/2.
///
/// # Panics
///
/// If whether a head is incomplete depends on where the bytes were cut.
pub fn http2_frames(data: &[u8]) {
    http2_frames::check(data);
}

/// What a client sends over a connection of HTTP/1.
///
/// A head with the line `Content-Length: n` has a body of that length, one with
/// `Transfer-Encoding: chunked` a chunked body, and any other none.
///
/// # Panics
///
/// If the end of a head, a fragment or a malformed byte is missed, or depends on where the bytes were
/// cut (contract SRV-3).
pub fn http1_framing(data: &[u8]) {
    http1_framing::check(data);
}

/// One `traceparent` a line, and behind an empty line one line of `tracestate` each.
///
/// # Panics
///
/// On a breach of contract TRC-1.
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
            // Shown only when the run panics.
            println!("{}", path.display());
            run(&fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "the corpus of {target} is empty");
    }

    #[test]
    fn the_corpus_of_forwarded_headers_finds_nothing() {
        replay("forwarded", super::forwarded);
    }

    #[test]
    fn the_corpus_of_the_proxy_protocol_finds_nothing() {
        replay("proxy_protocol", super::proxy_protocol);
    }

    #[test]
    fn the_corpus_of_request_ids_finds_nothing() {
        replay("request_id", super::request_id);
    }

    #[test]
    fn the_corpus_of_the_log_finds_nothing() {
        replay("log", super::log);
    }

    #[cfg(feature = "otlp")]
    #[test]
    fn the_corpus_of_traceparents_finds_nothing() {
        replay("traceparent", super::traceparent);
    }

    #[test]
    fn the_corpus_of_http2_frames_finds_nothing() {
        replay("http2_frames", super::http2_frames);
    }

    #[test]
    fn the_corpus_of_http1_framing_finds_nothing() {
        replay("http1_framing", super::http1_framing);
    }
}
