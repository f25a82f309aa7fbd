//! The page with its API, and the receiver of OTLP, as services on the chassis in this process.
//!
//! ```text
//! request ─▶ guard::host ─┬─▶ assets
//!                         └─▶ guard::client ─▶ api ─▶ store, children
//! exporter ─▶ guard::host ─▶ receiver ─▶ stores
//! ```

mod api;
mod assets;
mod folder;
mod guard;
mod listener;
mod log;
mod open;
mod problem;
mod query;
mod receiver;
mod stream;
mod token;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{Router, middleware};
use plimsoll::{Handle, StartError};

use self::{
    api::Api,
    folder::Folder,
    guard::Guard,
    listener::Listener,
    token::{Token, random_hex},
};
use crate::{
    children::Services,
    ingest::{otlp::collector::Collector, scrape::Charts},
    store::{Store, span::Spans},
};

/// Where page and receiver listen, and for which hosts.
#[derive(Debug, Clone)]
pub(crate) struct Listen {
    /// The first address of the page to try. Port 0 is any free port.
    pub(crate) page: SocketAddr,
    /// That of the receiver.
    pub(crate) otlp: SocketAddr,
    pub(crate) allowed_hosts: Vec<String>,
}

/// What the page shows. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) store: Arc<Store>,
    pub(crate) services: Services,
    pub(crate) charts: Charts,
    pub(crate) spans: Arc<Spans>,
}

/// A page or receiver that cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error("no port is free from {0} on")]
    NoPort(SocketAddr),
    #[error("cannot find a free port")]
    AnyPort(#[source] io::Error),
    #[error("cannot make the folder for the token")]
    Folder(#[source] io::Error),
    #[error("the system has no random numbers")]
    Random,
    #[error("cannot serve the page")]
    Start(#[from] StartError),
    #[error("the page has ended while it started")]
    Ended,
}

/// What a client of this start must know, and where it is.
#[derive(Debug)]
pub(crate) struct Credentials {
    token: Token,
    token_file: PathBuf,
    /// Removed with this value.
    folder: Folder,
}

impl Credentials {
    /// # Errors
    ///
    /// If there is no place for the token, or no random number.
    pub(crate) fn new() -> Result<Self, PageError> {
        let folder = Folder::create().map_err(PageError::Folder)?;
        let token = Token::generate().map_err(|_| PageError::Random)?;
        let token_file = folder.write_token(&token).map_err(PageError::Folder)?;
        Ok(Self {
            token,
            token_file,
            folder,
        })
    }

    /// Returns a name of this start that is no secret.
    ///
    /// # Errors
    ///
    /// If the system has no random numbers.
    pub(crate) fn nonce() -> Result<String, PageError> {
        random_hex::<4>().map_err(|_| PageError::Random)
    }

    fn guard(&self, address: SocketAddr, listen: &Listen) -> Guard {
        Guard::new(self.token.clone(), address, &listen.allowed_hosts)
    }
}

/// A receiver of OTLP that is served.
#[derive(Debug)]
pub(crate) struct Receiver(Listener);

impl Receiver {
    /// Serves the receiver, and returns when connections are accepted. Pages of `origin` may send.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub(crate) async fn start(
        listen: &Listen,
        credentials: &Credentials,
        store: &Arc<Store>,
        collector: &Collector,
        origin: Option<&str>,
    ) -> Result<Self, PageError> {
        let socket = credentials.folder.socket("receiver");
        let parts = |address| {
            let (collector, origin) = (collector.clone(), origin.map(str::to_owned));
            let router = |_: &Handle| receiver::router(collector, origin);
            (credentials.guard(address, listen), router)
        };
        let listener = Listener::start(listen.otlp, &socket, store, parts).await?;
        Ok(Self(listener))
    }

    /// Returns the endpoint for exporters.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// Closes the listener.
    pub(crate) async fn stop(self) {
        self.0.stop().await;
    }
}

/// A page that is served.
#[derive(Debug)]
pub(crate) struct Page {
    listener: Listener,
    credentials: Credentials,
}

impl Page {
    /// Serves the page, and returns when connections are accepted.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub(crate) async fn start(
        listen: &Listen,
        credentials: Credentials,
        parts: &Parts,
    ) -> Result<Self, PageError> {
        let socket = credentials.folder.socket("page");
        let of_address = |address| {
            let guard = credentials.guard(address, listen);
            let (parts, client) = (parts.clone(), guard.clone());
            let router = |handle: &Handle| router(parts, client, handle);
            (guard, router)
        };
        let listener = Listener::start(listen.page, &socket, &parts.store, of_address).await?;
        Ok(Self {
            listener,
            credentials,
        })
    }

    /// Returns the address of the page, with the token in its fragment, which browsers do not send.
    pub(crate) fn url(&self) -> String {
        let token = self.credentials.token.expose();
        format!("http://{}/#token={token}", self.listener.address)
    }

    /// Returns the file with the token.
    pub(crate) fn token_file(&self) -> &Path {
        &self.credentials.token_file
    }

    /// Opens the page in the browser of the desktop.
    ///
    /// # Errors
    ///
    /// If there is no desktop, or no place for the file that leads to the page.
    pub(crate) fn open(&self) -> io::Result<()> {
        open::open(&self.url(), self.credentials.folder.path())
    }

    /// Ends the streams and closes the listener.
    pub(crate) async fn stop(self) {
        self.listener.stop().await;
    }
}

fn router(parts: Parts, guard: Guard, handle: &Handle) -> Router {
    let api = Api {
        parts,
        shutdown: handle.shutdown_token(),
    };
    let client = middleware::from_fn_with_state(guard, guard::client);
    assets::routes().merge(api::routes(api).route_layer(client))
}
