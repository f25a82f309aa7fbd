//! The future of a stream's response.
//!
//! An `async` block would have space for two copies of the future that it waits for, and hyper moves it
//! several times for each request.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use super::{tunnel::Tunnel, write_timeout::ProgressBody};

pin_project! {
    /// The response of a stream, which accepts the tunnel if there is one.
    pub(in crate::server) struct StreamResponse<F> {
        #[pin]
        response: F,
        tunnel: Option<Box<Tunnel>>,
    }
}

impl<F> StreamResponse<F> {
    pub(in crate::server) fn new(response: F, tunnel: Option<Box<Tunnel>>) -> Self {
        Self { response, tunnel }
    }
}

impl<F, B> Future for StreamResponse<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<ProgressBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.response.poll(cx));
        if let Some(tunnel) = this.tunnel.take() {
            tunnel.respond(&response);
        }
        Poll::Ready(Ok(response.map(ProgressBody::new)))
    }
}
