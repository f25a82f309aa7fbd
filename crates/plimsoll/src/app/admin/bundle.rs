//! `/admin/bundle`: all views and the metrics in one document, to keep before a restart (contract
//! ADM-17).

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    answer::Failure,
    controls::Controls,
    router::paths,
    views::{Answer, Shared},
};

/// The largest bundle, in bytes of its parts.
const MAX_BUNDLE: usize = 4 << 20;

/// The limit of each part.
const PART_LIMIT: Duration = Duration::from_secs(1);

/// The name of the metrics among the parts.
const METRICS: &str = "/metrics";

pub(super) async fn show(State(controls): Shared) -> Answer {
    let Ok(_permit) = controls.bundle.try_lock() else {
        return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS)
            .with_detail("another bundle is being made".to_owned()));
    };
    let mut bundle = Bundle::new(MAX_BUNDLE);
    for path in paths() {
        if let Some(view) = path.view {
            let content = view.content(Arc::clone(&controls));
            let part = match timeout(PART_LIMIT, content).await {
                Ok(Ok(content)) => content,
                Ok(Err(_)) => json!({"error": "the view has failed"}),
                Err(_) => late(),
            };
            bundle.add(path.path, part);
        }
    }
    bundle.add(METRICS, metrics(&controls).await);
    Ok(controls.view(bundle.finish()))
}

async fn metrics(controls: &Arc<Controls>) -> Value {
    let edge = controls.edge.clone();
    let rendered = spawn_blocking(move || edge.metrics(crate::metrics::TextFormat::Plain));
    match timeout(PART_LIMIT, rendered).await {
        Ok(Ok(text)) => text.into(),
        Ok(Err(_)) => json!({"error": "the metrics have failed"}),
        Err(_) => late(),
    }
}

fn late() -> Value {
    json!({"error": format!("no result within {} s", PART_LIMIT.as_secs())})
}

/// The parts of a bundle, up to a size.
struct Bundle {
    left: usize,
    parts: Map<String, Value>,
    left_out: Vec<&'static str>,
}

impl Bundle {
    fn new(max: usize) -> Self {
        Self {
            left: max,
            parts: Map::new(),
            left_out: Vec::new(),
        }
    }

    /// Adds a part, or notes that it is left out because it is too large.
    fn add(&mut self, path: &'static str, part: Value) {
        let size = part.to_string().len();
        match self.left.checked_sub(size) {
            Some(left) => {
                self.left = left;
                self.parts.insert(path.to_owned(), part);
            }
            None => self.left_out.push(path),
        }
    }

    fn finish(self) -> Value {
        json!({"leftOut": self.left_out, "parts": self.parts})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ADM-17
    #[test]
    fn oversized_bundle_is_cut_and_says_so() {
        let mut bundle = Bundle::new(100);
        bundle.add("/small", json!("x".repeat(20)));
        bundle.add("/large", json!("x".repeat(200)));
        bundle.add("/next", json!("x".repeat(20)));
        let bundle = bundle.finish();
        assert_eq!(bundle["leftOut"], json!(["/large"]));
        let parts = bundle["parts"].as_object().expect("an object");
        assert_eq!(parts.keys().collect::<Vec<_>>(), ["/next", "/small"]);
    }
}
