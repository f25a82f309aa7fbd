//! The WebSocket.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};

use super::start;

#[tokio::test]
async fn echo_is_closed_by_the_drain() {
    let test = start(&[]).await;
    let url = format!("ws://{}/echo", test.addr());
    let (mut socket, _) = connect_async(url).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    let echo = socket.next().await.unwrap().unwrap();
    assert_eq!(echo, Message::text("hello"));

    let client = tokio::spawn(async move { socket.next().await.unwrap().unwrap() });
    assert_eq!(test.shutdown().await.requests_cut_off, 0);
    let Message::Close(Some(frame)) = client.await.unwrap() else {
        panic!("the WebSocket was not closed in order");
    };
    assert_eq!(frame.code, CloseCode::Away);
}
