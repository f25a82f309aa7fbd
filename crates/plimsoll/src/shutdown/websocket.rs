//! WebSockets that are closed when the drain begins.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Error,
    extract::ws::{CloseFrame, Message, WebSocket, close_code},
};
use futures_core::Stream;
use futures_sink::Sink;
use tokio::time::{Sleep, sleep};

use super::{CLOSE_ANSWER, ShutdownFuture};

type AnswerTimer = Pin<Box<Sleep>>;

/// A WebSocket that is closed when the drain begins; see
/// [`ShutdownToken::close_websocket`](super::ShutdownToken::close_websocket).
///
/// ```
/// use axum::{extract::WebSocketUpgrade, response::Response};
/// use plimsoll::ShutdownToken;
///
/// async fn echo(token: ShutdownToken, upgrade: WebSocketUpgrade) -> Response {
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
/// It is a [`Stream`] and a [`Sink`] of messages, as [`WebSocket`] is, so `split()` works:
///
/// ```
/// use axum::extract::ws::WebSocket;
/// use futures_util::StreamExt as _;
/// use plimsoll::ShutdownToken;
///
/// async fn chat(token: ShutdownToken, socket: WebSocket) {
///     let (sender, mut receiver) = token.close_websocket(socket).split();
///     while let Some(Ok(message)) = receiver.next().await { /* … */ }
/// #   drop(sender);
/// }
/// ```
///
/// The Close frame is sent while the socket is read. Code that only sends messages waits for
/// [`cancelled`](super::ShutdownToken::cancelled) instead.
pub struct ClosingWebSocket {
    socket: WebSocket,
    stage: ClosingStage,
}

enum ClosingStage {
    /// The drain has not begun.
    Open(ShutdownFuture),
    /// The Close frame, while it is not sent yet, and its flush.
    Closing(Option<Message>, AnswerTimer),
    /// Waits for the client's Close frame.
    Closed(AnswerTimer),
    Ended,
}

impl ClosingWebSocket {
    pub(super) fn new(
        socket: WebSocket,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self {
            socket,
            stage: ClosingStage::Open(Box::pin(shutdown)),
        }
    }

    /// Returns the next message, or `None` if the connection has ended or the drain has begun.
    ///
    /// When the drain begins, a Close frame is sent. The client has a second to answer it.
    ///
    /// # Errors
    ///
    /// The errors of [`WebSocket::recv`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no message is lost.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// The errors of [`WebSocket::send`], such as that the connection is closed.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.socket.send(message).await
    }

    /// Returns the socket. From then on only the drain's default closes it, see
    /// [`keep_open`](super::keep_open).
    #[must_use]
    pub fn into_inner(self) -> WebSocket {
        self.socket
    }

    /// Sends the Close frame, and discards messages until the client's Close frame.
    ///
    /// Also completes on an error of the connection.
    fn poll_close_handshake(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut socket = Pin::new(&mut self.socket);
            let step = match &mut self.stage {
                ClosingStage::Open(_) | ClosingStage::Ended => return Poll::Ready(()),
                ClosingStage::Closing(frame, _) => match socket.as_mut().poll_ready(cx) {
                    Poll::Ready(Ok(())) => match frame.take() {
                        Some(frame) => socket.as_mut().start_send(frame).map(|()| false).into(),
                        None => socket.poll_flush(cx).map_ok(|()| true),
                    },
                    other => other.map_ok(|()| false),
                },
                ClosingStage::Closed(_) => socket.poll_next(cx).map(|message| match message {
                    Some(Ok(_)) => Ok(false),
                    Some(Err(error)) => Err(error),
                    None => Ok(true),
                }),
            };
            // After the socket, so that a late wake still sends the Close frame. A client that sends
            // without end is polled between two messages.
            let is_over = match (&mut self.stage, &step) {
                (ClosingStage::Closing(_, answer), Poll::Pending)
                | (ClosingStage::Closed(answer), Poll::Pending | Poll::Ready(Ok(false))) => {
                    answer.as_mut().poll(cx).is_ready()
                }
                _ => false,
            };
            if is_over {
                self.stage = ClosingStage::Ended;
                return Poll::Ready(());
            }
            match step {
                Poll::Ready(Ok(false)) => {}
                Poll::Ready(Ok(true)) => {
                    self.stage = match std::mem::replace(&mut self.stage, ClosingStage::Ended) {
                        ClosingStage::Closing(_, answer) => ClosingStage::Closed(answer),
                        _ => ClosingStage::Ended,
                    };
                }
                Poll::Ready(Err(_)) => self.stage = ClosingStage::Ended,
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Stream for ClosingWebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let ClosingStage::Open(shutdown) = &mut this.stage {
            // Polled first, because the client may always send messages.
            if shutdown.as_mut().poll(cx).is_pending() {
                return Pin::new(&mut this.socket).poll_next(cx);
            }
            let frame = Message::Close(Some(CloseFrame {
                code: close_code::AWAY,
                reason: "the service ends".into(),
            }));
            this.stage = ClosingStage::Closing(Some(frame), Box::pin(sleep(CLOSE_ANSWER)));
        }
        this.poll_close_handshake(cx).map(|()| None)
    }
}

impl Sink<Message> for ClosingWebSocket {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.socket).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        Pin::new(&mut self.socket).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}

impl fmt::Debug for ClosingWebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClosingWebSocket")
            .field("is_open", &matches!(self.stage, ClosingStage::Open(_)))
            .finish_non_exhaustive()
    }
}
