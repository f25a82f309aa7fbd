//! A view: a function that returns the content of a GET, and where it runs.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::{answer::Failure, controls::Controls, views::Answer};

/// A view of the service.
#[derive(Clone, Copy)]
pub(super) struct View {
    content: fn(&Controls) -> Value,
    is_heavy: bool,
}

impl View {
    /// A view that takes microseconds.
    pub(super) const fn light(content: fn(&Controls) -> Value) -> Self {
        Self {
            content,
            is_heavy: false,
        }
    }

    /// A view that reads files, or whose work grows with the service. It does not run on the thread of
    /// the listener.
    pub(super) const fn heavy(content: fn(&Controls) -> Value) -> Self {
        Self {
            content,
            is_heavy: true,
        }
    }

    /// Returns the content.
    pub(super) async fn content(self, controls: Arc<Controls>) -> Result<Value, Failure> {
        if !self.is_heavy {
            return Ok((self.content)(&controls));
        }
        let content = spawn_blocking(move || (self.content)(&controls));
        // An error means that the view has panicked, which is logged.
        let failure = |_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR);
        content.await.map_err(failure)
    }

    /// Returns the response to GET.
    pub(super) async fn answer(self, controls: Arc<Controls>) -> Answer {
        let content = self.content(Arc::clone(&controls)).await?;
        let response: Response = controls.view(content);
        Ok(response)
    }
}
