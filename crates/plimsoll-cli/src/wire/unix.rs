//! Requests to a unix socket.

use std::path::Path;

use tokio::{io::AsyncWriteExt as _, net::UnixStream, time::timeout};

use super::exchange::{Exchange, Outcome, Wire, receive};

impl Wire {
    /// Sends the bytes over a new connection to the socket at a path, and reads one response.
    pub(crate) async fn exchange_unix(
        &self,
        path: &Path,
        name: &'static str,
        request: Vec<u8>,
    ) -> Exchange {
        let sent = self.elapsed();
        let outcome = async {
            let Ok(mut stream) = UnixStream::connect(path).await else {
                return Outcome::Refused;
            };
            // A service may answer and close before it has read the whole request.
            let written = stream.write_all(&request).await;
            let error = written.err().map(|error| error.to_string());
            receive(stream, false, error).await.0
        };
        let outcome = timeout(self.limit(), outcome).await;
        let outcome = outcome.unwrap_or(Outcome::Late);
        self.ended(name, String::new(), request, sent, outcome)
    }

    /// Connects to the socket at a path, and closes the connection without a response.
    pub(crate) async fn connect_unix(&self, path: &Path, name: &'static str) -> Exchange {
        let sent = self.elapsed();
        let outcome = match UnixStream::connect(path).await {
            Ok(_) => Outcome::Late,
            Err(_) => Outcome::Refused,
        };
        self.ended(name, String::new(), Vec::new(), sent, outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::SocketAddr,
        os::unix::net::UnixListener,
        thread,
        time::Duration,
    };

    use tokio::time::Instant;

    use super::*;
    use crate::target::Folder;

    #[tokio::test]
    async fn request_over_a_unix_socket_has_its_outcome() {
        let folder = Folder::create().unwrap();
        let path = Path::new(folder.path()).join("socket");
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let wire = Wire::new(address, Instant::now(), Duration::from_secs(10));
        assert_eq!(
            wire.connect_unix(&path, "a").await.outcome,
            Outcome::Refused
        );
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(wire.connect_unix(&path, "a").await.outcome, Outcome::Late);
        let server = thread::spawn(move || {
            drop(listener.accept().unwrap());
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
            stream.write_all(answer).unwrap();
        });
        let exchange = wire.exchange_unix(&path, "b", b"hello".to_vec()).await;
        assert_eq!(exchange.status(), Some(200));
        server.join().unwrap();
    }
}
