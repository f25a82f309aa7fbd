//! Attacks over HTTP/2: their cost is bounded, and other clients are served meanwhile.

use std::thread::JoinHandle;
use std::{fs, thread};

use harness::Process;
use http::StatusCode;

use super::client::{Client, block_on, frame};
use super::raw::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Flooded, HEADERS, PING, RawClient, SETTINGS,
    WINDOW_UPDATE, block, field, get, head, request, reset, window_update,
};
use super::{ON, streams};
use crate::in_flight::{value, wait_for_in_flight};
use crate::support::{ms, start};

/// The memory that may remain in use after an attack, in bytes.
pub(super) const MEMORY_BOUND: u64 = 20 << 20;

pub(super) const REFUSED_STREAM: [u8; 4] = 7_u32.to_be_bytes();

/// Returns the resident memory of a process, in bytes.
pub(crate) fn memory(service: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.pid()))
        .expect("the service is alive");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = resident.and_then(|size| size.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.expect("/proc/PID/status has a size") * 1024
}

/// Starts a service and lets it allocate its usual memory.
pub(super) fn warm(env: &[(&str, &str)]) -> Process {
    let service = start(env);
    block_on(async {
        let mut streams = Vec::new();
        for _ in 0..4 {
            let mut client = Client::connect(service.addr()).await;
            for _ in 0..100 {
                let stream = client.begin("/stream?chunks=16").await;
                streams.push(tokio::spawn(stream.finish()));
            }
        }
        for stream in streams {
            stream.await.expect("it is answered");
        }
    });
    service
}

/// Checks that a new client is served.
fn is_served(service: &Process) -> bool {
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        client.get("/hello").await.status == StatusCode::OK
    })
}

/// Runs attacks to their end, and checks that other clients are served meanwhile.
fn endure(service: &Process, attacks: Vec<JoinHandle<Flooded>>) -> Vec<Flooded> {
    let before = memory(service);
    loop {
        assert!(is_served(service));
        if attacks.iter().all(JoinHandle::is_finished) {
            break;
        }
        thread::sleep(ms(20));
    }
    let floods = attacks.into_iter().map(JoinHandle::join);
    let floods = floods
        .map(|flood| flood.expect("the attack ends"))
        .collect();
    assert!(is_served(service));
    let grown = memory(service).saturating_sub(before);
    assert!(grown <= MEMORY_BOUND, "{grown} bytes more");
    floods
}

/// Starts an attack over its own connection.
fn attack<I>(service: &Process, pieces: I) -> JoinHandle<Flooded>
where
    I: IntoIterator<Item = Vec<u8>> + Send + 'static,
{
    let addr = service.addr();
    thread::spawn(move || RawClient::connect(addr).flood(pieces))
}

/// SRV-6, H2-3: CVE-2023-44487.
#[test]
fn rapid_reset_closes_the_connection() {
    let service = warm(&[ON]);
    let attacks = (0..4).map(|_| {
        let pairs = streams(20_000).map(|stream| [get(stream, "/hang"), reset(stream)].concat());
        let pairs: Vec<_> = pairs.collect();
        attack(
            &service,
            pairs.chunks(200).map(<[_]>::concat).collect::<Vec<_>>(),
        )
    });
    for flood in endure(&service, attacks.collect()) {
        assert!(flood.is_stopped(), "{flood:?}");
    }
    wait_for_in_flight(&service, 0.0);
}

/// SRV-6, H2-3: CVE-2025-8671.
#[test]
fn provoked_resets_close_the_connection() {
    let service = warm(&[ON]);
    let attacks = [0, 0x7fff_ffff].map(|by| {
        let pairs =
            streams(5000).map(move |stream| [get(stream, "/hang"), window_update(stream, by)]);
        attack(&service, pairs.map(|pair| pair.concat()))
    });
    for flood in endure(&service, attacks.into()) {
        assert!(flood.is_stopped(), "{flood:?}");
        assert!(flood.resets <= 1024, "{flood:?}");
    }
    wait_for_in_flight(&service, 0.0);
}

/// SRV-6, H2-3
#[test]
fn endless_head_is_rejected() {
    let service = warm(&[ON]);
    let large = [field("x", &"y".repeat(120)).as_slice(); 120].concat();
    let attacks = [vec![], large].map(|piece| {
        let begin = frame(HEADERS, END_STREAM, 1, &block(&request("GET", "/hello")));
        let more = frame(CONTINUATION, 0, 1, &piece);
        attack(&service, [begin].into_iter().chain(vec![more; 5000]))
    });
    for flood in endure(&service, attacks.into()) {
        assert!(flood.is_stopped(), "{flood:?}");
    }
}

/// SRV-6, H2-3: many frames without data, or with a few unread bytes.
#[test]
fn tiny_unread_data_frames_are_bounded() {
    let service = warm(&[ON]);
    let empty = head(1, &request("POST", "/upload-stream"), false);
    let empty = [empty]
        .into_iter()
        .chain(vec![frame(DATA, 0, 1, b""); 20_000]);
    let crumb = |stream| frame(DATA, 0, stream, b"x").repeat(60_000);
    let unread = (0..15)
        .map(|index| 2 * index + 1)
        .flat_map(move |stream| [head(stream, &request("GET", "/hang"), false), crumb(stream)]);
    let floods = endure(
        &service,
        vec![attack(&service, empty), attack(&service, unread)],
    );
    for flood in floods {
        assert!(flood.is_stopped(), "{flood:?}");
    }
    wait_for_in_flight(&service, 0.0);
}

/// SRV-6, H2-3: legitimate clients may send the same frames.
#[test]
fn body_in_ten_thousand_frames_is_accepted() {
    let service = start(&[ON]);
    let mut client = RawClient::connect(service.addr());
    client.send(head(1, &request("POST", "/upload-stream"), false));
    for _ in 0..20 {
        // The frames arrive faster than they are read, up to a bound, which the pings enforce.
        client.send(frame(DATA, 0, 1, b"x").repeat(500));
        client.send(frame(PING, 0, 0, b"12345678"));
        client.until(|frame| frame.kind == PING);
    }
    client.send(frame(DATA, END_STREAM, 1, b""));
    let answer = client.until(|frame| frame.kind == DATA);
    assert!(answer.is_some_and(|answer| answer.payload == b"10000\n"));
}

/// SRV-6, H2-3
#[test]
fn control_frames_use_little_memory() {
    let service = warm(&[ON]);
    let ping = frame(PING, 0, 0, b"12345678");
    let settings = frame(SETTINGS, 0, 0, &[]);
    let priority = frame(2, 0, 1, &[0, 0, 0, 3, 7]);
    let window = frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
    let attacks = [ping, settings, priority, window]
        .map(|piece| attack(&service, vec![piece.repeat(1000); 100]));
    endure(&service, attacks.into());
}

/// SRV-1: queued acknowledgements are bounded.
#[test]
fn client_that_reads_no_acknowledgements_is_closed() {
    let service = warm(&[ON, ("WRITE_TIMEOUT", "1s")]);
    let before = memory(&service);
    for kind in [PING, SETTINGS] {
        let payload: &[u8] = if kind == PING { b"12345678" } else { b"" };
        let piece = frame(kind, 0, 0, payload).repeat(10_000);
        let mut client = RawClient::connect(service.addr());
        let hung_up = (0..5000).any(|_| !client.send(&piece));
        assert!(hung_up, "kind {kind}");
    }
    assert!(is_served(&service));
    let grown = memory(&service).saturating_sub(before);
    assert!(grown <= MEMORY_BOUND, "{grown} bytes more");
}

/// SRV-3
#[test]
fn large_header_list_is_a_431_on_a_kept_connection() {
    let service = start(&[ON]);
    block_on(async {
        let mut client = Client::connect(service.addr()).await;
        let request = client
            .request("GET", "/hello")
            .header("x", "y".repeat(20_000));
        let answer = client.send(request).await;
        assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert_eq!(client.get("/hello").await.status, StatusCode::OK);
    });
}

/// SRV-6, H2-3: a large header is sent once and then referenced a thousand times, by one byte each.
#[test]
fn repeated_indexed_header_is_too_large() {
    let service = warm(&[ON]);
    let large = "y".repeat(120);
    let mut first = block(&request("GET", "/hello"));
    // The first entry of the dynamic table has index 62.
    let kept = field("x", &large);
    first.extend([0x40].iter().chain(&kept[1..]));
    let mut bomb = block(&request("GET", "/count"));
    bomb.extend([0x80 | 62].repeat(10_000));
    let flags = END_HEADERS | END_STREAM;
    let first = frame(HEADERS, flags, 1, &first);
    let bombs = streams(200).map(move |stream| frame(HEADERS, flags, stream + 2, &bomb));
    let bombs = [first].into_iter().chain(bombs);
    endure(&service, vec![attack(&service, bombs)]);
    assert_eq!(value(&service, "fixture_hits_total"), 0.0);
}
