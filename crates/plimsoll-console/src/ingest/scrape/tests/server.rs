//! A small HTTP server whose responses a test sets.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The responses.
#[derive(Debug, Clone, Default)]
pub(super) struct Responses {
    pub(super) metrics: String,
    /// The status of `/ready`. 0 closes the connection without a response.
    pub(super) ready: u16,
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    responses: Arc<Mutex<Responses>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens at an address; port 0 is any free port.
    pub(super) async fn start(address: SocketAddr, responses: Responses) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let responses = Arc::new(Mutex::new(responses));
        let shared = Arc::clone(&responses);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let responses = shared.lock().unwrap().clone();
                tokio::spawn(answer(stream, responses));
            }
        });
        Self {
            address,
            responses,
            task,
        }
    }

    pub(super) fn set(&self, edit: impl FnOnce(&mut Responses)) {
        edit(&mut self.responses.lock().unwrap());
    }

    /// Closes the listener. Returns its address.
    pub(super) async fn stop(self) -> SocketAddr {
        self.task.abort();
        // The listener is closed when the task has ended.
        assert!(self.task.await.unwrap_err().is_cancelled());
        self.address
    }
}

async fn answer(mut stream: TcpStream, responses: Responses) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let (status, body) = if request.starts_with(b"GET /ready ") {
        (responses.ready, "")
    } else {
        (200, responses.metrics.as_str())
    };
    if status == 0 {
        return;
    }
    let length = body.len();
    let response = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    // The client may have timed out.
    let _ = stream.write_all(response.as_bytes()).await;
}
