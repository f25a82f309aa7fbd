//! A chat over WebSockets.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use plimsoll::testing::Process;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::support::{Subject, binaries, get, request};

type Member = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn chat() -> Subject {
    binaries!("chat")
}

async fn join(addr: SocketAddr) -> Member {
    let (member, _) = connect_async(format!("ws://{addr}/ws")).await.unwrap();
    member
}

/// The next text that a member hears.
async fn hear(member: &mut Member) -> String {
    member
        .next()
        .await
        .unwrap()
        .unwrap()
        .into_text()
        .unwrap()
        .to_string()
}

/// What three members hear of each other.
fn talk(process: &Process) -> Vec<String> {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let addr = process.addr();
        let mut heard = Vec::new();
        let mut members = Vec::new();
        for index in 0..3 {
            members.push(join(addr).await);
            let text = format!("member {index}");
            members[index].send(Message::text(text)).await.unwrap();
            // One that hears itself has subscribed, so the order is the same in every run.
            for member in &mut members {
                heard.push(hear(member).await);
            }
        }
        members[0].close(None).await.unwrap();
        while let Some(Ok(message)) = members[0].next().await {
            heard.push(format!("{message:?}"));
        }
        let long = "x".repeat(100_000);
        members[1].send(Message::text(long)).await.unwrap();
        heard.push(hear(&mut members[2]).await);
        heard
    })
}

#[test]
fn conversations_are_the_same() {
    let plain = chat().start_plain();
    let before = talk(&plain);
    let moved = chat().start_moved();
    assert_eq!(talk(&moved), before);
    assert_eq!(moved.terminate().code, Some(0));
}

#[test]
fn refused_upgrades_are_the_same() {
    let upgrade = [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
    chat().compare(&[
        ("page", get("/")),
        ("no upgrade", get("/ws")),
        ("POST", request("POST", "/ws", &[], b"")),
        ("half an upgrade", request("GET", "/ws", &upgrade, b"")),
    ]);
}
