//! A chat over WebSockets.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use harness::Process;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};

use crate::support::{Subject, Target, Work, binaries, end_under_load, get, request};

type Member = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Members that are there when the signal comes.
const MEMBERS: usize = 20;

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

#[test]
fn websockets_are_closed_at_sigterm() {
    let process = chat().start_moved();
    let runtime = Runtime::new().unwrap();
    let addr = process.addr();
    let members: Vec<_> = (0..MEMBERS)
        .map(|_| {
            let mut member = runtime.block_on(join(addr));
            runtime.spawn(async move {
                let mut last = None;
                while let Some(Ok(message)) = member.next().await {
                    last = Some(message);
                }
                last
            })
        })
        .collect();
    let target = Target::from(&process);
    end_under_load(process, target, vec![Work::get("/")]);
    for member in members {
        let last = runtime.block_on(member).unwrap();
        let Some(Message::Close(Some(frame))) = last else {
            panic!("no close: {last:?}");
        };
        assert_eq!(frame.code, CloseCode::Away);
    }
}
