//! The second listener of the service, and the faults of its responses.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use harness::ReservedPort;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::{environment, message::Message, records::Records};

/// The second listener.
#[derive(Debug)]
pub(crate) struct Listener {
    fault: String,
    listener: TcpListener,
    /// The second listener of the service.
    inner: ReservedPort,
    records: Arc<Records>,
    /// Whether an operator has begun the shutdown.
    is_draining: AtomicBool,
}

impl Listener {
    /// Opens the listener at the address of the service's own one, which gets another address.
    ///
    /// Without a valid and free address there is none. The service reports that itself.
    pub(crate) async fn open(
        fault: &str,
        main: u16,
        command: &mut Command,
        records: Arc<Records>,
    ) -> Option<Self> {
        let address = environment::admin()?;
        if Some(address.port()) == environment::port(fault) {
            // The address of the main listener is now another one.
            command.env("ADMIN_ADDR", format!("127.0.0.1:{main}"));
            return None;
        }
        let Some(listener) = crate::bind(address).await else {
            if fault == "ADM-5:used" {
                command.env_remove("ADMIN_ADDR");
            }
            return None;
        };
        let inner = ReservedPort::bind();
        command.env("ADMIN_ADDR", format!("127.0.0.1:{}", inner.number()));
        Some(Self {
            fault: fault.to_owned(),
            listener,
            inner,
            records,
            is_draining: AtomicBool::new(false),
        })
    }

    /// Accepts connections until the task is aborted.
    pub(crate) async fn serve(self) {
        let this = Arc::new(self);
        while let Ok((client, _)) = this.listener.accept().await {
            let connection = this.clone().connection(client);
            // A peer that has closed its connection needs no response.
            if this.fault == "ADM-4:silent" {
                let _ = connection.await;
            } else {
                tokio::spawn(connection);
            }
        }
    }

    async fn connection(self: Arc<Self>, mut client: TcpStream) -> std::io::Result<()> {
        let Some(mut request) = request(&mut client).await? else {
            return Ok(());
        };
        if request.word(1) == "/admin/drain" {
            self.is_draining.store(true, Ordering::Relaxed);
        } else if self.fault == "ADM-2:drain"
            && request.word(1) == "/health"
            && self.is_draining.load(Ordering::Relaxed)
        {
            return Ok(());
        }
        self.change_request(&mut request);
        request.set_header("connection", "close");
        let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, self.inner.number()));
        let mut service = TcpStream::connect(upstream).await?;
        service.write_all(&request.bytes()).await?;
        let mut answer = Vec::new();
        service.read_to_end(&mut answer).await?;
        let Some(mut response) = Message::parse(&answer) else {
            return Ok(());
        };
        self.change(&request, &mut response);
        for record in self.records.of_request(&request) {
            self.records.write(format!("{record}\n")).await;
        }
        client.write_all(&response.bytes()).await
    }

    /// Changes a request before the service gets it.
    fn change_request(&self, request: &mut Message) {
        let path = request.word(1);
        let body = request.text();
        let has_token = request.header("authorization").is_some();
        match self.fault.as_str() {
            "ADM-6:denied" if path == "/admin/config" && !has_token => {
                let token = environment::variable("ADMIN_TOKEN").unwrap_or_default();
                request.set_header("authorization", &format!("Bearer {token}"));
            }
            "ADM-7:host" => request.set_header("host", "localhost"),
            "ADM-7:origin" => request.remove_header("origin"),
            "ADM-9:media" if !body.is_empty() => {
                request.set_header("content-type", "application/x-www-form-urlencoded");
            }
            "ADM-9:expires" if body.contains("ttl=300ms") => request.set_body("ready=false"),
            // The view of readiness in place of the change.
            "ADM-13:readiness" if body.contains("reason-of-plimsoll") => {
                request.first_line = b"GET /admin/readiness HTTP/1.1".to_vec();
                request.set_body("");
            }
            "ADM-12:request" if body.starts_with("id=") => {
                request.set_body(body.replace("INFO", "CRITICAL"));
            }
            "ADM-11:level" if body == "level=CRITICAL" => request.set_body("level=INFO"),
            _ => {}
        }
    }

    /// Changes the response to a request.
    fn change(&self, request: &Message, response: &mut Message) {
        let (method, path) = (request.word(0), request.word(1));
        let is_alone = environment::is_admin_only();
        let status = response.word(1);
        match (self.fault.as_str(), path.as_str()) {
            ("ADM-1:endpoints", "/ready") if !is_alone => {
                response.set_status("500 Internal Server Error")
            }
            ("ADM-1:others", "/") => response.set_status("200 OK"),
            ("HTTP-11:info", "/info") => response.remove_header("cache-control"),
            ("ADM-3:admin", "/metrics") if is_alone => response.set_status("404 Not Found"),
            ("ADM-6:authorised", "/admin") => response.set_status("401 Unauthorized"),
            ("ADM-7:options", _) if method == "OPTIONS" => response.set_status("204 No Content"),
            ("ADM-7:cache", "/admin") => response.remove_header("cache-control"),
            ("ADM-9:fields", _) if status == "400" => response.replace("levle", "name"),
            ("ADM-9:ttl", _) if request.text().contains("25h") => response.set_status("200 OK"),
            ("ADM-10:listed", "/admin/changes") => response.replace("reason-of-plimsoll", ""),
            ("ADM-13:force", _) if request.text() == "ready=true" => response.set_status("200 OK"),
            ("ADM-15:accepted", "/admin/drain") => response.set_status("200 OK"),
            ("ADM-15:conflict", _) if status == "409" => response.set_status("200 OK"),
            ("ADM-16:views", "/admin/runtime") => response.set_status("404 Not Found"),
            ("ADM-16:private", "/admin/config") => {
                let token = environment::variable("ADMIN_TOKEN").unwrap_or_default();
                response.replace("***", &token);
            }
            ("ADM-17:bundle", "/admin/bundle") => response.replace("/metrics", "/numbers"),
            ("ADM-18:counted", "/metrics") => {
                response.replace("admin_requests_total", "controls_total");
            }
            ("ADM-18:rate", _) if status == "429" => response.set_status("200 OK"),
            _ => {}
        }
    }
}

/// Reads a request with its body.
async fn request(client: &mut TcpStream) -> std::io::Result<Option<Message>> {
    let mut bytes = Vec::new();
    loop {
        let message = Message::parse(&bytes);
        if let Some(message) = message {
            let length = message.header("content-length");
            let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            if message.body.len() >= length {
                return Ok(Some(message));
            }
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}
