//! SRV-2 to SRV-4, SRV-6 and SRV-8: limits of handlers, bodies, requests and connections.

use std::time::Duration;

use tokio::{net::TcpStream, task::JoinSet, time::sleep};

use crate::{
    verify::{
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        routes::Route,
        scenario::{CONNECTION_AGE, HANDLER_TIMEOUT, MAX_CONNECTIONS, MAX_IN_FLIGHT},
        subject::{Subject, kept_request, request},
    },
    wire::{Exchange, Outcome, Wire},
};

/// Silent connections, more than may be open.
const SILENT: usize = MAX_CONNECTIONS + 10;

/// The time in which a service evicts silent connections.
const EVICTION: Duration = Duration::from_secs(2);

/// Requests at the same time, more than may be in flight, and their time.
const REQUESTS: usize = MAX_IN_FLIGHT * 3;
const SLOW_MS: u64 = 1000;
const SLOW: Duration = Duration::from_millis(SLOW_MS);

/// The time of a handler that is too slow.
const TOO_SLOW_MS: u64 = 4000;

/// A body longer than the 64 KiB of the scenario.
const LONG: usize = 100 * 1024;

/// The age at which a connection is too old, and the pause between its requests.
const TOO_OLD: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);

/// Silent and malformed clients beside those that are served.
const HOSTILE: usize = 60;
const SERVED: usize = 5;

pub(super) async fn requests(subject: &mut Subject<'_>) {
    let wire = subject.wire();
    let slow = subject.route(Route::Slow, &[("ms", SLOW_MS)]);
    let too_slow = subject.route(Route::Slow, &[("ms", TOO_SLOW_MS)]);
    let (aged, slow) = tokio::join!(aged(wire), slow_handlers(wire, slow, too_slow));
    subject.add(aged);
    subject.add(slow);
    if let Some(path) = subject.route(Route::Upload, &[]) {
        let length = format!("Content-Length: {LONG}");
        let mut bytes = request("POST", &path, &[&length]);
        bytes.resize(bytes.len() + LONG, b'a');
        let nonce = subject.nonce();
        subject.send("long", nonce, bytes).await;
    }
    silent(subject).await;
}

/// Opens silent connections, and then sends a request.
async fn silent(subject: &mut Subject<'_>) {
    let wire = subject.wire();
    let connections = subject.open(wire, SILENT).await;
    subject.get("beside", "/health", &[]).await;
    let mut watched = JoinSet::new();
    for connection in connections {
        watched.spawn(async move { wire.watch("silent", connection, EVICTION).await });
    }
    subject.add(watched.join_all().await);
}

/// Sends requests to slow handlers at once, and then one to a handler that is too slow.
async fn slow_handlers(
    wire: Wire,
    slow: Option<String>,
    too_slow: Option<String>,
) -> Vec<Exchange> {
    let (Some(slow), Some(too_slow)) = (slow, too_slow) else {
        return Vec::new();
    };
    let mut requests = JoinSet::new();
    for _ in 0..REQUESTS {
        let bytes = request("GET", &slow, &[]);
        requests.spawn(async move { wire.exchange("slow", String::new(), bytes).await });
    }
    let mut exchanges = requests.join_all().await;
    let bytes = request("GET", &too_slow, &[]);
    exchanges.push(wire.exchange("too slow", String::new(), bytes).await);
    exchanges
}

/// Sends requests over one connection until it ends, or is too old.
async fn aged(wire: Wire) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    let mut kept: Option<TcpStream> = None;
    loop {
        let bytes = kept_request("GET", "/health", &[]);
        let exchange = wire.exchange_kept(&mut kept, "aged", String::new(), bytes);
        exchanges.push(exchange.await);
        let age = wire.elapsed().saturating_sub(exchanges[0].sent);
        if kept.is_none() || age >= TOO_OLD {
            return exchanges;
        }
        sleep(PAUSE).await;
    }
}

pub(super) async fn hostile(subject: &mut Subject<'_>) {
    let wire = subject.wire();
    let mut clients = Vec::new();
    for bytes in [
        &b""[..],
        b"GET / HTTP/1.1\r\nHost:",
        b"\x16\x03\x01\0\0\r\n\r\n",
    ] {
        for connection in subject.open(wire, HOSTILE / 3).await {
            let client = wire.send("hostile", String::new(), bytes.to_vec(), Ok(connection));
            clients.push(client.await);
        }
    }
    let mut served = JoinSet::new();
    for _ in 0..SERVED {
        let bytes = request("GET", "/health", &[]);
        served.spawn(async move { wire.exchange("beside", String::new(), bytes).await });
    }
    subject.add(served.join_all().await);
    drop(clients);
}

pub(super) fn evicted(evidence: &Evidence) -> Judgement {
    evidence.require_open()?;
    let is_open = |exchange: &&Exchange| exchange.outcome == Outcome::Late;
    let open = evidence.exchanges("silent").filter(is_open).count();
    require(open <= MAX_CONNECTIONS, || {
        Finding::new(
            format!(
                "{SILENT} connections without a request, with MAX_CONNECTIONS={MAX_CONNECTIONS}"
            ),
            format!("{open} open connections"),
            format!("at most {MAX_CONNECTIONS}"),
        )
    })
}

pub(super) fn served(evidence: &Evidence) -> Judgement {
    evidence.require_open()?;
    for exchange in evidence.exchanges("beside") {
        require(exchange.response().is_some(), || {
            let finding = Finding::response(exchange, "a response");
            finding.sent_as(|sent| format!("{sent} beside {HOSTILE} silent or malformed clients"))
        })?;
    }
    Ok(())
}

pub(super) fn served_at_the_limit(evidence: &Evidence) -> Judgement {
    evidence.require_open()?;
    let exchange = evidence.exchange("beside")?;
    require(exchange.response().is_some(), || {
        let finding = Finding::response(exchange, "a response");
        finding.sent_as(|sent| format!("{sent} beside {SILENT} silent connections"))
    })
}

pub(super) fn shed(evidence: &Evidence) -> Judgement {
    evidence.exchange_of(Route::Slow, "slow")?;
    let slow = evidence.exchanges("slow");
    let mut ends: Vec<Duration> = slow
        .filter(|it| it.status() == Some(200))
        .map(|it| it.done)
        .collect();
    ends.sort_unstable();
    // Handlers that end within half of their time have run at the same time.
    let overlap = |first: &Duration| {
        ends.iter()
            .filter(|end| *first <= **end && **end < *first + SLOW / 2)
            .count()
    };
    let together = ends.iter().map(overlap).max().unwrap_or_default();
    let sent = format!("{REQUESTS} requests of 1 s at once, with MAX_IN_FLIGHT={MAX_IN_FLIGHT}");
    if together > MAX_IN_FLIGHT {
        let received = format!("status 200 for {together} of them at the same time");
        let finding = Finding::new(
            sent,
            received,
            "status 503 and Retry-After for further ones",
        );
        return Err(Fault::late(finding, SLOW / 2, evidence.lag));
    }
    let mut shed = evidence
        .exchanges("slow")
        .filter(|it| it.status() == Some(503));
    let Some(first) = shed.next() else {
        let reason = "no request was rejected, and too few were in flight at the same time";
        return Err(Fault::not_proven(reason));
    };
    let retry = first.response().and_then(|it| it.header("retry-after"));
    require(retry.is_some(), || {
        Finding::new(
            &sent,
            "status 503 without Retry-After",
            "status 503 with Retry-After",
        )
    })
}

pub(super) fn slow_handler(evidence: &Evidence) -> Judgement {
    let slow = evidence.exchange_of(Route::Slow, "too slow")?;
    let expected = "status 503 after REQUEST_TIMEOUT, 2 s";
    require(slow.status() == Some(503), || {
        Finding::response(slow, expected)
    })?;
    let time = slow.time();
    if time >= HANDLER_TIMEOUT / 2 {
        return Ok(());
    }
    // A request before it may still count as in flight, so one run is no proof.
    let received = format!("status 503 after {} ms", time.as_millis());
    let finding = Finding::exchange(slow, received, expected);
    Err(Fault::Measured(Box::new(finding)))
}

pub(super) fn long_body(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange_of(Route::Upload, "long")?;
    require(exchange.status() == Some(413), || {
        let finding = Finding::response(exchange, "status 413");
        finding.sent_as(|_| format!("a body of {LONG} bytes, with MAX_BODY_BYTES=64KiB"))
    })
}

pub(super) fn connection_age(evidence: &Evidence) -> Judgement {
    let aged: Vec<&Exchange> = evidence.exchanges("aged").collect();
    let [first, .., last] = &aged[..] else {
        let reason = "the service closes the connection after a response";
        return Err(Fault::not_proven(reason));
    };
    let sent = "requests over one connection, with MAX_CONNECTION_AGE=1s";
    let expected = "Connection: close in a response after 1 s";
    let age = last.done.saturating_sub(first.sent);
    match last.response() {
        Some(response) if response.closes() => require(age >= CONNECTION_AGE / 2, || {
            let received = format!("Connection: close after {} ms", age.as_millis());
            Finding::new(sent, received, expected)
        }),
        Some(_) => {
            let received = format!("an open connection after {} ms", age.as_millis());
            Err(Finding::new(sent, received, expected).into())
        }
        None => {
            let received = format!("an unannounced end after {} ms", age.as_millis());
            Err(Finding::new(sent, received, expected).into())
        }
    }
}
