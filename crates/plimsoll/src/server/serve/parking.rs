//! An HTTP/1 connection that has no buffers while it is idle.
//!
//! hyper keeps 24 KiB of buffers for a connection. Most connections of a service are idle most of the
//! time. So a connection that has been idle for a second is taken apart: its I/O and its service are
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

/// An HTTP/1 connection of hyper, or what is kept of it.
pub(super) struct Http1Connection<S>
where
    S: HttpService<Incoming>,
{
    parking: Parking<S>,
    /// Cleared if hyper has a part of a head, which a new one would only wait for again.
    may_park: bool,
}

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
        let is_tls = io.is_tls();
        let mut connection = Self {
            parking: Parking::Parked(io, service),
            may_park: true,
        };
        if is_tls {
            // The end of the handshake may have brought the first request, which the socket does not
            // report again.
            connection.activate();
        }
        connection
    }

    /// Creates hyper's part, if the connection is parked.
    fn activate(&mut self) {
        self.parking = match std::mem::replace(&mut self.parking, Parking::Empty) {
            Parking::Parked(io, service) => {
                let http = Builder::new()
                    .max_buf_size(MAX_READ_BUFFER)
                    .serve_connection(TokioIo::new(io), service)
                    .with_upgrades();
                Parking::Active(Box::new(http))
            }
            other => other,
        };
    }
}

impl<S> Future for Http1Connection<S>
where
    S: HttpService<Incoming, ResBody = ResponseBody<Body>, Error = Infallible> + Unpin,
{
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Parking::Parked(io, _) = &mut self.parking {
            ready!(io.poll_input(cx));
            self.activate();
        }
        match &mut self.parking {
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
        if let Parking::Active(http) = &mut self.parking {
            Pin::new(&mut **http).graceful_shutdown();
        }
    }

    fn may_park(&self) -> bool {
        self.may_park && matches!(self.parking, Parking::Active(_))
    }

    fn park(mut self: Pin<&mut Self>) {
        if let Parking::Active(http) = std::mem::replace(&mut self.parking, Parking::Empty)
            && let Some(parts) = http.into_parts()
        {
            let mut io = parts.io.into_inner();
            self.may_park = parts.read_buf.is_empty();
            io.park(parts.read_buf);
            self.parking = Parking::Parked(io, parts.service);
        }
    }
}
