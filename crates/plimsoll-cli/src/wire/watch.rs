//! Connections of clients that send or read too little.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use super::{
    exchange::{Exchange, Outcome, Wire},
    response::Response,
};

/// The receive buffer of a slow reader.
const BUFFER: u32 = 4096;

/// The time to write the requests of a slow reader, and for each part of their responses.
const PATIENCE: Duration = Duration::from_secs(1);

impl Wire {
    /// Waits for the end of a connection, and discards what arrives before it.
    ///
    /// The outcome is [`Outcome::Lost`] at the end, and [`Outcome::Late`] without an end.
    pub(crate) async fn watch(
        &self,
        name: &'static str,
        mut stream: TcpStream,
        limit: Duration,
    ) -> Exchange {
        let sent = self.elapsed();
        let end = async {
            let mut bytes = [0; 1024];
            while let Ok(1..) = stream.read(&mut bytes).await {}
        };
        let outcome = match timeout(limit, end).await {
            Ok(()) => Outcome::Lost,
            Err(_) => Outcome::Late,
        };
        self.ended(name, String::new(), Vec::new(), sent, outcome)
    }

    /// Sends requests at once, reads nothing for the pause, and then reads the responses.
    ///
    /// The outcome is [`Outcome::Answered`] if all responses arrive, [`Outcome::Lost`] if the connection
    /// ends before, and [`Outcome::Late`] otherwise.
    pub(crate) async fn read_slowly(
        &self,
        name: &'static str,
        request: &[u8],
        count: usize,
        pause: Duration,
    ) -> Exchange {
        let sent = self.elapsed();
        let outcome = match self.connect_with_small_buffer().await {
            Some(mut stream) => {
                // The service stops reading when it can write no more.
                let _ = timeout(PATIENCE, stream.write_all(&request.repeat(count))).await;
                sleep(pause).await;
                read_all(stream, count).await
            }
            None => Outcome::Refused,
        };
        self.ended(name, String::new(), request.to_vec(), sent, outcome)
    }

    async fn connect_with_small_buffer(&self) -> Option<TcpStream> {
        let socket = TcpSocket::new_v4().ok()?;
        socket.set_recv_buffer_size(BUFFER).ok()?;
        socket.connect(self.address()).await.ok()
    }
}

/// Reads until there are `count` responses, or the connection ends, or no more arrives.
async fn read_all(mut stream: TcpStream, count: usize) -> Outcome {
    let mut received = Vec::new();
    let mut responses = 0;
    loop {
        while let Ok(Some((response, length))) = Response::parse(&received, false, false) {
            received.drain(..length);
            responses += 1;
            // A service that announces the end of the connection has not noticed the slow reader.
            if responses == count || response.closes() {
                return Outcome::Answered(response);
            }
        }
        match timeout(PATIENCE, stream.read_buf(&mut received)).await {
            Ok(Ok(1..)) => {}
            Ok(_) => return Outcome::Lost,
            Err(_) => return Outcome::Late,
        }
    }
}
