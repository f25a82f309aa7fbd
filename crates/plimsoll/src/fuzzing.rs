//! The entrances for the fuzzer: each takes any bytes, and panics when what must hold of them does
//! not.
//!
//! `cargo fuzz` builds with `--cfg fuzzing`; nobody else has these functions. What they check is
//! written beside what they check: `edge::invariants`, `server::invariants`,
//! `telemetry::invariants`. What the fuzzer has found interesting is below `fuzz/corpus`, and the
//! test here runs all of it, without the fuzzer.

#[cfg(feature = "otlp")]
use crate::trace;
use crate::{config::LogFormat, edge, server, telemetry};

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
    edge::invariants::forwarded(data);
}

/// What a connection begins with when its peer must send a PROXY header.
///
/// # Panics
///
/// On a breach of contract IP-4.
pub fn proxy_protocol(data: &[u8]) {
    server::invariants::proxy_protocol(data);
}

/// One request id a line.
///
/// # Panics
///
/// On a breach of contract RID-2.
pub fn request_id(data: &[u8]) {
    edge::invariants::request_id(data);
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
        edge::invariants::access(format, number, [0, 1, 2, 3].map(text));
    } else {
        telemetry::invariants::record(format, number, &texts);
    }
}

/// What a client sends behind the preface of HTTP/2.
///
/// # Panics
///
/// If whether a head is incomplete depends on where the bytes were cut.
pub fn http2_frames(data: &[u8]) {
    server::invariants::frames(data);
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
    server::invariants::framing(data);
}

/// One `traceparent` a line, and behind an empty line one line of `tracestate` each.
///
/// # Panics
///
/// On a breach of contract TRC-1.
#[cfg(feature = "otlp")]
pub fn traceparent(data: &[u8]) {
    trace::invariants::traceparent(data);
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
