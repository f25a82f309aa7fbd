//! `/echo`: a WebSocket that returns what it receives.
//!
//! When the drain begins, the chassis closes it with status 1001, so a rolling restart waits for no
//! client.

use axum::{
    Router,
    extract::ws::{WebSocket, WebSocketUpgrade},
    response::Response,
    routing::any,
};
use plimsoll::ShutdownToken;

use crate::state::AppState;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/echo", any(echo))
}

async fn echo(token: ShutdownToken, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| serve(token, socket))
}

async fn serve(token: ShutdownToken, socket: WebSocket) {
    let mut socket = token.close_websocket(socket);
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
