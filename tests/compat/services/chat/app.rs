//! A chat over WebSockets: each is split, one task sends and one receives.

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
    routing::get,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::broadcast;

pub fn router() -> Router {
    let (room, _) = broadcast::channel(100);
    Router::new()
        .route("/", get(|| async { "a chat\n" }))
        .route("/ws", get(join))
        .with_state(room)
}

async fn join(
    upgrade: WebSocketUpgrade,
    State(room): State<broadcast::Sender<String>>,
) -> Response {
    upgrade.on_upgrade(move |socket| member(socket, room))
}

async fn member(socket: WebSocket, room: broadcast::Sender<String>) {
    let (mut sender, mut receiver) = socket.split();
    let mut heard = room.subscribe();
    let mut send = tokio::spawn(async move {
        while let Ok(text) = heard.recv().await {
            if sender.send(Message::text(text)).await.is_err() {
                break;
            }
        }
    });
    let mut receive = tokio::spawn(async move {
        while let Some(Ok(Message::Text(text))) = receiver.next().await {
            // There is always a subscriber: this member.
            let _ = room.send(text.to_string());
        }
    });
    tokio::select! {
        _ = &mut send => receive.abort(),
        _ = &mut receive => send.abort(),
    }
}
