//! Faults of HTTP/2 without TLS: frames that are changed, dropped or held.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::environment::has;

/// The first bytes of a client of HTTP/2, and their length.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

/// An empty frame SETTINGS.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// The setting ENABLE_CONNECT_PROTOCOL, and one of the same length that is unknown.
const CONNECT: [u8; 6] = [0, 8, 0, 0, 0, 1];
const UNKNOWN: [u8; 6] = [0xf0, 0, 0, 0, 0, 1];

/// The head of a response with status 404 in stream 1, which ends the stream.
const NOT_FOUND: [u8; 10] = [0, 0, 1, HEADERS, 5, 0, 0, 0, 1, 0x8d];

/// The code of a request that is malformed.
const PROTOCOL_ERROR: u8 = 1;

/// The first byte of a text message of a WebSocket, and of its close.
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

/// The code of a stream that was not handled, and that of one that was cancelled.
const REFUSED_STREAM: u8 = 7;
const CANCEL: u8 = 8;

/// Resets after which frames of the client are swallowed.
const RESETS: usize = 10;

/// The position of type and stream in a frame.
const TYPE: usize = 3;
const STREAM: usize = 8;

/// Whether a client begins with HTTP/2.
pub(crate) async fn is_http2(client: &TcpStream) -> bool {
    let mut bytes = [0; 4];
    matches!(client.peek(&mut bytes).await, Ok(4)) && PREFACE.starts_with(&bytes)
}

/// Passes on a connection, with the fault.
pub(crate) async fn pass(
    fault: &str,
    mut client: TcpStream,
    upstream: SocketAddr,
    is_ending: &AtomicBool,
) -> io::Result<()> {
    let mut service = TcpStream::connect(upstream).await?;
    let mut preface = [0; PREFACE.len()];
    client.read_exact(&mut preface).await?;
    let is_served = has("HTTP2_CLEARTEXT");
    if fault == "H2-1:counted" && !is_served {
        // The service never sees it.
        return Ok(());
    }
    service.write_all(&preface).await?;
    if fault == "H2-1:rejected" && !is_served {
        client.write_all(&SETTINGS).await?;
    }
    let (from_client, mut to_client) = client.into_split();
    let (from_service, to_service) = service.into_split();
    let requests = requests(fault, from_client, to_service);
    let responses = responses(fault, from_service, &mut to_client, is_ending);
    tokio::select! {
        result = requests => result,
        result = responses => {
            if fault == "H2-4:head" {
                // The connection stays open until its client closes it.
                pending::<()>().await;
            }
            result
        }
    }
}

async fn requests(fault: &str, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut resets = 0;
    if !matches!(fault, "H2-2:reset" | "H2-3:rapid") {
        copy(&mut from, &mut to).await?;
        return Ok(());
    }
    loop {
        let frame = read(&mut from).await?;
        resets += usize::from(frame[TYPE] == RST_STREAM);
        match fault {
            "H2-2:reset" if resets > 0 => return Ok(()),
            "H2-3:rapid" if resets > RESETS => {}
            _ => to.write_all(&frame).await?,
        }
    }
}

async fn responses(
    fault: &str,
    mut from: OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    is_ending: &AtomicBool,
) -> io::Result<()> {
    loop {
        let mut frame = read(&mut from).await?;
        let kind = frame[TYPE];
        let is_cut = kind == HEADERS && frame[STREAM] == 3 && is_ending.load(Ordering::Relaxed);
        let is_dropped = match fault {
            "H2-1:cleartext" => kind == HEADERS,
            "H2-5:goaway" => kind == GOAWAY,
            "H2-5:streams" => is_cut,
            "H2-6:websocket" => kind == DATA && frame.get(SETTINGS.len()) == Some(&TEXT),
            "H2-6:drain" => kind == DATA && frame.get(SETTINGS.len()) == Some(&CLOSE),
            _ => false,
        };
        if fault == "H2-3:limit" && kind == RST_STREAM && frame.last() == Some(&REFUSED_STREAM) {
            let last = frame.len() - 1;
            frame[last] = CANCEL;
        }
        if fault == "H2-6:offered" && kind == SETTINGS[TYPE] {
            let settings = frame[SETTINGS.len()..].chunks_exact_mut(CONNECT.len());
            for setting in settings.filter(|setting| *setting == CONNECT) {
                setting.copy_from_slice(&UNKNOWN);
            }
        }
        if fault == "H2-6:incomplete" && kind == RST_STREAM && frame.last() == Some(&PROTOCOL_ERROR)
        {
            frame = NOT_FOUND.to_vec();
        }
        if !is_dropped {
            to.write_all(&frame).await?;
        }
    }
}

/// Reads a frame.
async fn read(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; SETTINGS.len()];
    from.read_exact(&mut frame).await?;
    let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
    let length = usize::try_from(length).map_err(io::Error::other)?;
    frame.resize(SETTINGS.len() + length, 0);
    from.read_exact(&mut frame[SETTINGS.len()..]).await?;
    Ok(frame)
}
