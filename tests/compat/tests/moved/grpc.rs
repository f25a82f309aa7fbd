//! gRPC and plain routes on one port, over HTTP/2 without TLS.

use std::{
    error::Error,
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
};

use harness::Process;
use tokio::runtime::Runtime;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{Load, Subject, Tally, binaries, end_load, get, request};

/// Connections, and calls at a time on each.
const CHANNELS: usize = 8;
const CALLS: usize = 25;

fn grpc() -> Subject {
    binaries!("grpc").env("HTTP2_CLEARTEXT", "true")
}

fn endpoint(addr: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{addr}")).unwrap()
}

/// Asks for the status of a service.
async fn check(client: &mut HealthClient<Channel>, service: &str) -> Result<i32, Status> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = client.check(request).await?;
    Ok(answer.into_inner().status)
}

/// What calls of several kinds get.
fn calls(process: &Process) -> Vec<String> {
    Runtime::new().unwrap().block_on(async {
        let channel = endpoint(process.addr()).connect().await.unwrap();
        let mut client = HealthClient::new(channel);
        let mut seen = Vec::new();
        for service in ["", "shop.Orders", "shop.None"] {
            let result = check(&mut client, service).await;
            let result = result.map_err(|status| (status.code(), status.message().to_owned()));
            seen.push(format!("{service}: {result:?}"));
        }
        let watch = HealthCheckRequest {
            service: "shop.Orders".to_owned(),
        };
        let mut watched = client.watch(watch).await.unwrap().into_inner();
        seen.push(format!("{:?}", watched.message().await.unwrap()));
        seen
    })
}

#[test]
fn calls_are_the_same() {
    let plain = grpc().start_plain();
    let before = calls(&plain);
    assert!(before[1].contains("Ok(1)"), "{before:?}");
    assert!(before[2].contains("NotFound"), "{before:?}");
    let moved = grpc().start_moved();
    assert_eq!(calls(&moved), before);
    assert_eq!(moved.terminate().code, Some(0));
}

#[test]
fn routes_beside_grpc_are_the_same() {
    grpc().compare(&[
        ("route", get("/")),
        (
            "unknown call",
            request("POST", "/shop.Orders/None", &[], b""),
        ),
        ("GET of a call", get("/grpc.health.v1.Health/Check")),
    ]);
}

#[test]
fn calls_under_sigterm_are_not_lost() {
    let process = grpc().start_moved();
    let addr = process.addr();
    let endpoints = Arc::new(endpoint(addr));
    let runtime = Runtime::new().unwrap();
    let channels: Vec<Channel> = {
        let _entered = runtime.enter();
        (0..CHANNELS).map(|_| endpoints.connect_lazy()).collect()
    };
    let load = Load::run(CHANNELS * CALLS, |number, tally| {
        call(
            HealthClient::new(channels[number % CHANNELS].clone()),
            tally,
        )
    });
    end_load(process, load);
}

/// One caller, until it is refused.
async fn call(mut client: HealthClient<Channel>, tally: Arc<Tally>) {
    loop {
        match check(&mut client, "shop.Orders").await {
            Ok(_) => tally.count_answer(),
            Err(status) if is_not_sent(&status) => {}
            Err(status) if is_refusal(&status) && tally.may_refuse() => return,
            Err(status) => {
                tally.count_lost(format!("{status:?}"));
                return;
            }
        }
    }
}

/// Whether the connection had ended before the call was sent on it, or a GOAWAY left the call
/// unhandled (RFC 9113, section 6.8). Such a call is made again.
fn is_not_sent(status: &Status) -> bool {
    let canceled = cause::<hyper::Error>(status).is_some_and(hyper::Error::is_canceled);
    let refused = cause::<h2::Error>(status).is_some_and(|error| {
        error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
    });
    canceled || refused
}

/// Whether there was no connection to send the call on.
fn is_refusal(status: &Status) -> bool {
    cause::<io::Error>(status).is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// The first cause of this type.
fn cause<E: Error + 'static>(status: &Status) -> Option<&E> {
    let first: &(dyn Error + 'static) = status;
    std::iter::successors(Some(first), |error| (*error).source())
        .find_map(|error| error.downcast_ref())
}
