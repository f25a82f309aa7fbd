//! Uploads at scale: clients that send everything first, and clients that disconnect.

use std::time::Duration;

use harness::{Process, timed};

use super::canary::complaints;
use crate::in_flight::wait_for_rest;
use crate::support::{ms, start};

/// The unit of an upload.
const MEGABYTE: usize = 1024 * 1024;

/// Sends a whole body far over the limit, then reads. Returns what was wrong.
fn upload_and_read(service: &Process, number: usize, megabyte: &[u8]) -> Option<String> {
    // More than socket buffers hold, but sent within the time for which the service reads it.
    let size = 3 + number * 7 % 4;
    let is_chunked = number.is_multiple_of(2);
    let mut connection = service.connect();
    let framing = match is_chunked {
        true => "Transfer-Encoding: chunked".to_owned(),
        false => format!("Content-Length: {}", size * MEGABYTE),
    };
    let path = ["/limited/upload", "/limited/upload-stream"][number / 2 % 2];
    let mut send = |bytes: &[u8]| connection.try_send(bytes);
    let sent = (|| {
        send(format!("POST {path} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n").as_bytes())?;
        for _ in 0..size {
            if is_chunked {
                send(b"100000\r\n")?;
            }
            send(megabyte)?;
            if is_chunked {
                send(b"\r\n")?;
            }
        }
        if is_chunked {
            send(b"0\r\n\r\n")
        } else {
            Ok(())
        }
    })();
    let what = format!("{size} MiB to {path}, {framing}");
    if let Err(error) = sent {
        return Some(format!("{what}: cannot send: {error}"));
    }
    let (said, took) = timed(|| connection.read_to_end());
    let said = String::from_utf8_lossy(&said);
    let whole = said.starts_with("HTTP/1.1 413 ")
        && said
            .to_ascii_lowercase()
            .contains("\r\nconnection: close\r\n")
        && said.ends_with("}\n");
    if !whole || took > Duration::from_secs(10) {
        return Some(format!("{what}: {took:?}: {said:?}"));
    }
    None
}

/// SRV-3
#[test]
fn many_clients_that_send_everything_first_read_their_413() {
    let service = start(&[]);
    let numbers: Vec<usize> = (0..500).collect();
    let megabyte = vec![b'x'; MEGABYTE];
    let wrong = complaints(&numbers, 8, |number| {
        upload_and_read(&service, *number, &megabyte)
    });
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    let refused = [("status", "413")];
    assert_eq!(
        service.metrics().sum("http_requests_total", &refused),
        500.0
    );
}

/// LOG-9
#[test]
fn interrupted_uploads_leave_only_their_records() {
    const SIZE: usize = 200_000;
    let service = start(&[]);
    let body = vec![b'x'; SIZE];
    // A different offset in the body for each upload, the same in each run.
    let offsets: Vec<usize> = (0..1000).map(|n| n * 7_919_077 % SIZE).collect();
    let wrong = complaints(&offsets, 8, |offset| {
        let mut connection = service.connect();
        let path = ["/upload", "/upload-stream"][offset % 2];
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {SIZE}\r\n\r\n"
        ));
        // After the 100 Continue the request is being handled.
        let asked = connection.read().status;
        connection.send(&body[..*offset]);
        connection.reset();
        (asked != 100).then(|| format!("{offset}: {asked}"))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    wait_for_rest(&service);
    let metrics = service.metrics();
    let gone = [("status", "499")];
    assert_eq!(metrics.sum("http_requests_total", &gone), 1000.0);
    assert_eq!(metrics.value("panics_total", &[]), Some(0.0));
    let ended = service.terminate();
    assert!(ended.took < ms(2000), "{:?}", ended.took);
    let records = ended.records_with("http_request");
    assert_eq!(records.len(), 1000);
    for record in &records {
        assert_eq!(
            (&record["status"], &record["aborted"]),
            (&499.into(), &true.into()),
            "{record}"
        );
    }
}
