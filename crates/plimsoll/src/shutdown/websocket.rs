//! WebSockets that are closed when it is time to go.

use std::{fmt, pin::Pin, time::Duration};

use axum::{
    Error,
    extract::ws::{CloseFrame, Message, WebSocket, close_code},
};
use tokio::time::timeout;

type Told = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long the client has to answer the close, and to take what was sent before.
const ANSWER: Duration = Duration::from_secs(1);

/// A WebSocket that is closed when it is time to go; see
/// [`ShutdownToken::close_websocket`](super::ShutdownToken::close_websocket).
///
/// ```
/// use axum::{extract::{State, WebSocketUpgrade}, response::Response};
/// use plimsoll::ShutdownToken;
///
/// async fn echo(State(token): State<ShutdownToken>, upgrade: WebSocketUpgrade) -> Response {
///     upgrade.on_upgrade(move |socket| async move {
///         let mut socket = token.close_websocket(socket);
///         while let Some(Ok(message)) = socket.recv().await {
///             if socket.send(message).await.is_err() {
///                 return;
///             }
///         }
///     })
/// }
/// ```
///
/// Somebody must be in [`recv`](Self::recv) for it to be closed: whoever only sends waits for
/// [`cancelled`](super::ShutdownToken::cancelled).
pub struct ClosingWebSocket {
    socket: WebSocket,
    // Gone when it has told.
    told: Option<Told>,
}

impl ClosingWebSocket {
    pub(super) fn new(socket: WebSocket, told: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            socket,
            told: Some(Box::pin(told)),
        }
    }

    /// The next message, or nothing when the connection has ended or it is time to go. Then the
    /// client has been told, and has had a second to say goodbye.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`] has them.
    ///
    /// # Cancel safety
    ///
    /// A message is not lost by dropping the future. A farewell is cut short by it.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        let told = self.told.as_mut()?;
        tokio::select! {
            biased;
            () = told => {}
            message = self.socket.recv() => return message,
        }
        self.told = None;
        let farewell = Message::Close(Some(CloseFrame {
            code: close_code::AWAY,
            reason: "the service ends".into(),
        }));
        // Whoever does not take it or does not answer has gone, or is let go.
        let _ = timeout(ANSWER, async {
            self.socket.send(farewell).await?;
            while let Some(Ok(_)) = self.socket.recv().await {}
            Ok::<_, Error>(())
        })
        .await;
        None
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`] has them, such as that the connection is closed.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.socket.send(message).await
    }

    /// The socket as it was, which nobody closes any more.
    #[must_use]
    pub fn into_inner(self) -> WebSocket {
        self.socket
    }
}

impl fmt::Debug for ClosingWebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClosingWebSocket")
            .field("told", &self.told.is_none())
            .finish_non_exhaustive()
    }
}
