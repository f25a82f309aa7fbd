//! An HTTP/1 connection that has no buffers while it is idle.
//!
//! hyper keeps 24 KiB of buffers for a connection. Most connections of a service are idle most of the
//! time. So a connection that has been idle for [`PARK_AFTER`] is taken apart: its I/O and its service are
//! kept, and hyper's part is dropped. When the socket has input, hyper's part is created again.
//!
//! A fresh connection is created without hyper's part, until its first byte.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use hyper::{
    body::Incoming,
    server::conn::http1::{Builder, UpgradeableConnection},
    service::HttpService,
};
use hyper_util::rt::TokioIo;

use super::{LAST_REQUEST_GRACE, MAX_READ_BUFFER, http_connection::HttpConnection};
use crate::{edge::ResponseBody, server::io::TrackedIo};

/// How long a connection is idle before it is parked. A busy client does not pause this long.
pub(super) const PARK_AFTER: Duration = Duration::from_secs(1);

/// An HTTP/1 connection of hyper, or what is kept of it.
pub(super) struct Http1Connection<S>(Parking<S>)
where
    S: HttpService<Incoming>;

#[expect(clippy::large_enum_variant, reason = "see the variants")]
enum Parking<S>
where
    S: HttpService<Incoming>,
{
    /// Boxed, so that a parked connection has no space for it.
    Active(Box<UpgradeableConnection<TokioIo<TrackedIo>, S>>),
    /// Not boxed, since most connections of a service are parked.
    Parked(TrackedIo, S),
    /// While it changes, and after an upgrade.
    Empty,
}

impl<S> Http1Connection<S>
where
    S: HttpService<Incoming, ResBody = ResponseBody<Body>, Error = Infallible>,
{
    pub(super) fn new(io: TrackedIo, service: S) -> Self {
        let mut connection = Self(Parking::Parked(io, service));
        if let Parking::Parked(io, _) = &connection.0
            && io.is_tls()
        {
            // The end of the handshake may have brought the first request, which the socket does not
            // report again.
            connection.activate();
        }
        connection
    }

    /// Creates hyper's part, if the connection is parked.
    fn activate(&mut self) {
        if let Parking::Parked(io, service) = self.take_parked() {
            let http = Builder::new()
                .max_buf_size(MAX_READ_BUFFER)
                .serve_connection(TokioIo::new(io), service)
                .with_upgrades();
            self.0 = Parking::Active(Box::new(http));
        }
    }

    /// Takes the parts of a parked connection. An active one stays as it is.
    fn take_parked(&mut self) -> Parking<S> {
        match &self.0 {
            Parking::Parked(..) => std::mem::replace(&mut self.0, Parking::Empty),
            _ => Parking::Empty,
        }
    }
}

impl<S> Future for Http1Connection<S>
where
    S: HttpService<Incoming, ResBody = ResponseBody<Body>, Error = Infallible> + Unpin,
{
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Parking::Parked(io, _) = &mut self.0 {
            ready!(io.poll_input(cx));
            self.activate();
        }
        match &mut self.0 {
            Parking::Active(http) => Pin::new(&mut **http).poll(cx),
            Parking::Parked(..) | Parking::Empty => Poll::Pending,
        }
    }
}

impl<S> HttpConnection for Http1Connection<S>
where
    S: HttpService<Incoming, ResBody = ResponseBody<Body>, Error = Infallible> + Unpin,
{
    const HAS_GOAWAY: bool = false;
    const GRACE: Duration = LAST_REQUEST_GRACE;

    fn start_graceful_shutdown(mut self: Pin<&mut Self>) {
        self.activate();
        if let Parking::Active(http) = &mut self.0 {
            Pin::new(&mut **http).graceful_shutdown();
        }
    }

    fn park_after(&self) -> Option<Duration> {
        matches!(self.0, Parking::Active(_)).then_some(PARK_AFTER)
    }

    fn park(mut self: Pin<&mut Self>) {
        if !matches!(self.0, Parking::Active(_)) {
            return;
        }
        if let Parking::Active(http) = std::mem::replace(&mut self.0, Parking::Empty)
            && let Some(parts) = http.into_parts()
        {
            let mut io = parts.io.into_inner();
            io.park(parts.read_buf);
            self.0 = Parking::Parked(io, parts.service);
        }
    }
}
