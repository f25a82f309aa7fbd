//! Connections whose bytes are passed on as they are: those of requests with a body.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::TcpStream,
};

use crate::{message::Message, proxy_protocol::SIGNATURE};

/// A request whose length is not determined, and one that has a length.
const TWO_LENGTHS: &str = "Content-Length: 5\r\nContent-Length: 50\r\n";
const ONE_LENGTH: &str = "Content-Length: 5\r\n";

/// The body of that request.
const BODY: &str = "hello";

/// Whether the bytes contain the head of a request.
pub(crate) fn has_head(bytes: &[u8]) -> bool {
    let is_proxied = SIGNATURE.starts_with(bytes) || bytes.starts_with(SIGNATURE);
    match is_proxied {
        true => bytes.len() > SIGNATURE.len() && bytes.ends_with(b"\r\n\r\n"),
        false => bytes.windows(4).any(|end| end == b"\r\n\r\n"),
    }
}

/// Whether the bytes are more than one head.
pub(crate) fn is_needed(bytes: &[u8]) -> bool {
    Message::parse(bytes).is_some_and(|request| {
        let length = request.header("content-length");
        let has_length = length.is_some_and(|length| length != "0");
        has_length || request.header("transfer-encoding").is_some() || !request.body.is_empty()
    })
}

/// Passes on the bytes of both sides.
pub(crate) async fn run(
    fault: &str,
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    upstream: SocketAddr,
    bytes: Vec<u8>,
) -> io::Result<()> {
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let is_plain = text.contains(&format!("\r\n{ONE_LENGTH}\r\n{BODY}"));
    let mut service = TcpStream::connect(upstream).await?;
    match fault {
        "SRV-3:canary" => {
            let mut bytes = bytes;
            while !bytes.is_empty() {
                let mut service = TcpStream::connect(upstream).await?;
                service.write_all(&bytes).await?;
                // The end of the service is not passed on, so the next request is handled.
                respond(&mut service, &mut client).await?;
                bytes = Vec::new();
                client.read_buf(&mut bytes).await?;
            }
            Ok(())
        }
        "SRV-3:framing" if text.contains(TWO_LENGTHS) => {
            let text = text.replace(TWO_LENGTHS, ONE_LENGTH);
            let (head, _) = text.split_once("GET /health").unwrap_or((&text, ""));
            service.write_all(head.as_bytes()).await?;
            respond(&mut service, &mut client).await
        }
        "SRV-3:unread" if is_plain => {
            service.write_all(&bytes).await?;
            let mut response = Vec::new();
            service.read_buf(&mut response).await?;
            client.write_all(&response).await
        }
        "SRV-2:stall" if text.contains("\r\nContent-Length: 10\r\n") => {
            service.write_all(&bytes).await?;
            let mut response = Vec::new();
            service.read_to_end(&mut response).await?;
            let text = String::from_utf8_lossy(&response);
            let text = text.replace("408 Request Timeout", "400 Bad Request");
            client.write_all(text.as_bytes()).await
        }
        _ => {
            service.write_all(&bytes).await?;
            copy_bidirectional(&mut client, &mut service).await?;
            Ok(())
        }
    }
}

/// Passes on what the service sends until it ends, or is silent.
async fn respond(
    service: &mut TcpStream,
    client: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let read = service.read_to_end(&mut bytes);
    let _ = tokio::time::timeout(std::time::Duration::from_millis(700), read).await;
    client.write_all(&bytes).await
}
