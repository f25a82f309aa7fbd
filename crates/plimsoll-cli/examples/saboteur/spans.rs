//! Faults of spans, on their way to the collector.

use std::net::SocketAddr;

use harness::ReservedPort;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::environment::{ENDPOINT, has, variable};

/// The end of a head without a body.
const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Texts in spans, and those of the same length in their place.
const METHOD: [&[u8]; 2] = [b"http.request.method", b"http.request.nethod"];
const QUERY: [&[u8]; 2] = [
    b"token=***&plain=shown&plimsoll=",
    b"token=hunter2-and-more&a=&plim=",
];

/// Puts a relay between the service and its collector, if the fault is in the spans.
pub(crate) async fn relay(fault: &str, command: &mut Command) {
    let replaced = match fault {
        "TRC-4:span" => Some(METHOD),
        "TRC-4:query" => Some(QUERY),
        // Elsewhere, the first batch has spans of other requests.
        "TRC-7:retried" if has("TRUSTED_PROXIES") && !has("OTEL_TRACES_SAMPLER") => None,
        _ => return,
    };
    let collector = variable(ENDPOINT).and_then(|url| url.strip_prefix("http://")?.parse().ok());
    let Some(collector) = collector else {
        return;
    };
    let port = ReservedPort::bind();
    let address = SocketAddr::from(([127, 0, 0, 1], port.number()));
    let listener = TcpListener::bind(address).await;
    let listener = listener.expect("the port is reserved for this process");
    command.env(ENDPOINT, format!("http://{address}"));
    tokio::spawn(async move {
        let _port = port;
        let mut is_first = replaced.is_none();
        while let Ok((service, _)) = listener.accept().await {
            // A connection that is closed ends its relay.
            tokio::spawn(pass(service, collector, replaced, is_first));
            is_first = false;
        }
    });
}

async fn pass(
    service: TcpStream,
    collector: SocketAddr,
    replaced: Option<[&'static [u8]; 2]>,
    is_swallowed: bool,
) -> std::io::Result<()> {
    let (mut from_service, mut to_service) = service.into_split();
    let mut bytes = Vec::with_capacity(64 * 1024);
    if is_swallowed {
        // The batch is small, so it arrives at once.
        from_service.read_buf(&mut bytes).await?;
        return to_service.write_all(ACCEPTED).await;
    }
    let (mut from_collector, mut to_collector) = TcpStream::connect(collector).await?.into_split();
    tokio::spawn(async move { copy(&mut from_collector, &mut to_service).await });
    while from_service.read_buf(&mut bytes).await? > 0 {
        if let Some([from, to]) = replaced {
            replace(&mut bytes, from, to);
        }
        to_collector.write_all(&bytes).await?;
        bytes.clear();
    }
    Ok(())
}

/// Replaces each occurrence. The length stays the same, so the message stays valid.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len(), "the message has lengths");
    let mut start = 0;
    while let Some(at) = bytes[start..].windows(from.len()).position(|it| it == from) {
        start += at;
        bytes[start..start + to.len()].copy_from_slice(to);
    }
}
