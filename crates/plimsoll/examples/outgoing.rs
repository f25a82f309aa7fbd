//! A service that calls another one: the id and the trace of a request travel on, and the calls are
//! in the metrics.
//!
//! ```text
//! PORT=8081 cargo run -p plimsoll --example minimal
//! UPSTREAM=http://localhost:8081/hello cargo run -p plimsoll --example outgoing
//! curl -i http://localhost:8080/relayed
//! ```

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, StatusCode, Uri, uri::InvalidUri},
    response::Response,
    routing::get,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use plimsoll::{
    App, ClientService, Exit, Handle, SetupError, build_info,
    config::{Invalid, ParseError, Reader, Settings},
};
use tower::{Layer as _, ServiceExt as _};

/// The settings of this service, beside those of the chassis.
#[derive(Debug)]
struct Upstream {
    uri: Uri,
}

impl Settings for Upstream {
    fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
        let uri = from
            .setting("UPSTREAM", "URL that `/relayed` asks.")
            .default("http://localhost:8081/hello")
            .read_with("a URL", |text| {
                text.parse()
                    .map_err(|error: InvalidUri| ParseError::because(error.to_string()))
            });
        Ok(Self { uri: uri? })
    }
}

/// What handlers need. Clones share the connections of the client.
#[derive(Clone)]
struct Relay {
    client: ClientService<Client<HttpConnector, Body>>,
    upstream: Uri,
}

fn main() -> Exit {
    App::with_settings::<Upstream>(build_info!())
        .setup(set_up)
        .run()
}

async fn set_up(handle: Handle<Upstream>) -> Result<Router, SetupError> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let relay_state = Relay {
        // `upstream` is the label `peer` of http_client_requests_total.
        client: handle.client_layer("upstream").layer(client),
        upstream: handle.settings().uri.clone(),
    };
    Ok(Router::new()
        .route("/relayed", get(relay))
        .with_state(relay_state))
}

/// Answers what the other service answers, and 502 if it does not.
async fn relay(State(state): State<Relay>) -> Result<Response, StatusCode> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = state.upstream;
    // There is no timer here: the call ends with this handler, at REQUEST_TIMEOUT.
    let answer = state.client.oneshot(request).await.map_err(|error| {
        tracing::warn!(%error, "upstream_failed");
        StatusCode::BAD_GATEWAY
    })?;
    Ok(answer.map(Body::new))
}
