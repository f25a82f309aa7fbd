//! LIFE-8: a service manager that passes a listening socket.
//!
//! The service is started beside that of the scenario, with a socket of this process. The socket is the
//! same for two starts, and clients connect before the first one, and while none is running.

use std::{
    future::pending,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    os::unix::net::UnixListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Barrier, task::JoinSet, time::sleep};

use super::END_LIMIT;
use crate::{
    target::{Activated, Start},
    verify::{
        command::Variables,
        evidence::Evidence,
        judgement::{Fault, Finding, Judgement, require},
        record::Record,
        subject::{Subject, request},
    },
    wire::{Exchange, Outcome, Pending, Wire},
};

/// Clients during the restart, each with one request at a time.
const CLIENTS: usize = 4;

/// The pause of a client between two requests.
const PAUSE: Duration = Duration::from_millis(10);

/// The time after which a connection without a request may be closed at the drain (LIFE-1).
const UNUSED: Duration = Duration::from_millis(250);

/// The sockets of another process.
const OF_ANOTHER: Variables = &[("LISTEN_FDS", "1"), ("LISTEN_PID", "1")];

/// The record about them.
const IGNORED: &str = "sockets_ignored";

/// Texts that describe the descriptor of a UDP socket, in lower case.
const DESCRIPTIONS: [&str; 5] = ["fd 3", "descriptor 3", "udp", "datagram", "dgram"];

pub(super) async fn activate(subject: &mut Subject<'_>) {
    let Ok((socket, wire)) = listen(subject.wire()) else {
        return;
    };
    let early = send(wire, "early").await;
    let Some(mut first) = pass(subject, "activated", &socket, early.receive()).await else {
        return;
    };
    if subject.evidence().answer("early").is_err() {
        return;
    }
    let health = request("GET", "/health", &[]);
    let port = subject.wire().with_port(first.port());
    let port = port.exchange("port", String::new(), health).await;
    subject.add([port]);
    restart(subject, &socket, wire, &mut first).await;
    drop(first);
    unix_socket(subject).await;
    if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
        subject.activate("datagram", socket, pending()).await;
    }
    let record = Some(IGNORED);
    subject
        .start_with_line("ignored", &[], OF_ANOTHER, record)
        .await;
}

/// Creates a socket that listens. Returns it with its client.
fn listen(wire: Wire) -> std::io::Result<(TcpListener, Wire)> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let wire = wire.with_port(socket.local_addr()?.port());
    Ok((socket, wire))
}

/// Starts the command with the socket, which stays open.
async fn pass(
    subject: &mut Subject<'_>,
    name: &'static str,
    socket: &TcpListener,
    request: impl Future<Output = Exchange>,
) -> Option<Activated> {
    let socket = socket.try_clone().ok()?;
    subject.activate(name, socket, request).await
}

/// Sends a request, which may wait for a process.
async fn send(wire: Wire, name: &'static str) -> Pending {
    let connection = wire.connect().await;
    let bytes = request("GET", "/", &[]);
    wire.send(name, String::new(), bytes, connection).await
}

/// Ends the service under requests, and starts it again with the same socket.
async fn restart(
    subject: &mut Subject<'_>,
    socket: &TcpListener,
    wire: Wire,
    first: &mut Activated,
) {
    let is_over = Arc::new(AtomicBool::new(false));
    let has_begun = Arc::new(Barrier::new(CLIENTS + 1));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (is_over, has_begun) = (is_over.clone(), has_begun.clone());
        clients.spawn(async move {
            let mut exchanges = vec![send(wire, "restart").await.receive().await];
            has_begun.wait().await;
            while !is_over.load(Ordering::Relaxed) {
                exchanges.push(send(wire, "restart").await.receive().await);
                sleep(PAUSE).await;
            }
            exchanges
        });
    }
    // Each client has had an answer.
    has_begun.wait().await;
    subject.terminate_run("restart", first, END_LIMIT).await;
    let second = match subject.has_ended() {
        true => {
            let next = send(wire, "next").await;
            pass(subject, "next", socket, next.receive()).await
        }
        false => None,
    };
    is_over.store(true, Ordering::Relaxed);
    if second.is_none() {
        clients.abort_all();
    }
    while let Some(client) = clients.join_next().await {
        subject.add(client.into_iter().flatten());
    }
}

/// Starts the command with a unix socket, and ends it.
async fn unix_socket(subject: &mut Subject<'_>) {
    let Some(path) = subject.path("activated") else {
        return;
    };
    // A path can be too long for a socket.
    let Ok(socket) = UnixListener::bind(&path) else {
        return;
    };
    let (wire, bytes) = (subject.wire(), request("GET", "/", &[]));
    let Ok(passed) = socket.try_clone() else {
        return;
    };
    let unix = wire.exchange_unix(&path, "unix", bytes);
    let Some(mut run) = subject.activate("unix", passed, unix).await else {
        return;
    };
    if subject.evidence().answer("unix").is_ok() {
        subject.terminate_run("unix", &mut run, END_LIMIT).await;
        let after = wire.connect_unix(&path, "file").await;
        subject.add([after]);
    }
}

pub(super) fn served(evidence: &Evidence) -> Judgement {
    let run = evidence.run("activated")?;
    let expected = "an answer over the passed socket";
    if let Ok(early) = evidence.exchange("early") {
        if early.outcome == Outcome::Late {
            return Err(Fault::not_proven("the service did not answer in time"));
        }
        return require(early.response().is_some(), || {
            let finding = Finding::response(early, expected);
            finding.sent_as(|sent| format!("a start with LISTEN_FDS=1, and {sent}"))
        });
    }
    match &run.result {
        Start::Silent { .. } => {
            let reason = "the service answered neither over the passed socket nor on its port";
            Err(Fault::not_proven(reason))
        }
        Start::Ready(_) => {
            let sent = "a start with LISTEN_FDS=1, and GET / over the passed socket";
            let received = "no answer, but one on the port in PORT";
            Err(Finding::new(sent, received, expected).into())
        }
        Start::Ended(_) => Err(run.finding(expected).into()),
    }
}

pub(super) fn port(evidence: &Evidence) -> Judgement {
    let exchange = evidence.exchange("port")?;
    require(exchange.outcome == Outcome::Refused, || {
        let finding = Finding::response(exchange, "connection refused");
        finding.sent_as(|sent| format!("{sent} on the port in PORT, with LISTEN_FDS=1"))
    })
}

pub(super) fn restarted(evidence: &Evidence) -> Judgement {
    let signal = evidence.signal("restart")?;
    if signal.end.is_none() {
        return Err(Fault::not_proven("SIGTERM did not end the process"));
    }
    // It was sent while there was no process.
    let next = evidence.exchange("next").ok();
    let all: Vec<&Exchange> = evidence.exchanges("restart").chain(next).collect();
    let lost = all.iter().filter(|it| it.response().is_none());
    let lost: Vec<&Exchange> = lost.copied().collect();
    if lost.iter().any(|it| it.done < signal.at) {
        return Err(Fault::not_proven("a request was lost before SIGTERM"));
    }
    // A connection that waits for longer was neither refused nor reset.
    let decisive = lost.iter().find(|it| it.outcome != Outcome::Late);
    if let Some(first) = decisive.or(lost.first()) {
        if decisive.is_none() {
            return Err(Fault::not_proven("a request had no answer in time"));
        }
        let finding = Finding::response(first, "an answer by the old or by the next process");
        let finding = Finding {
            sent: format!("{} over the passed socket, during a restart", finding.sent),
            received: format!(
                "{} ({} of {} requests)",
                finding.received,
                lost.len(),
                all.len()
            ),
            repeat: None,
            subject: None,
            ..finding
        };
        return Err(Fault::late(finding, UNUSED, evidence.lag));
    }
    match next {
        Some(_) => Ok(()),
        None => Err(Fault::not_proven("no request waited for the next process")),
    }
}

pub(super) fn file(evidence: &Evidence) -> Judgement {
    let answered = evidence.exchange("unix")?;
    if answered.outcome == Outcome::Late {
        return Err(Fault::not_proven("the service did not answer in time"));
    }
    if answered.response().is_none() {
        let finding = Finding::response(answered, "an answer over the passed unix socket");
        return Err(finding
            .sent_as(|sent| format!("{sent} over a unix socket, with LISTEN_FDS=1"))
            .into());
    }
    if evidence.signal("unix")?.end.is_none() {
        return Err(Fault::not_proven("SIGTERM did not end the process"));
    }
    let after = evidence.exchange("file")?;
    require(after.outcome != Outcome::Refused, || {
        let sent = "SIGTERM, and a connection to the passed unix socket";
        Finding::new(sent, "connection refused", "a connection, which waits")
    })
}

pub(super) fn kind(evidence: &Evidence) -> Judgement {
    let run = evidence.run("datagram")?;
    run.ends_with(78)?;
    let output = run.output().to_lowercase();
    let is_described = DESCRIPTIONS.iter().any(|text| output.contains(text));
    require(is_described, || {
        run.finding("a description of descriptor 3, which is a UDP socket, in the output")
    })
}

pub(super) fn ignored(evidence: &Evidence) -> Judgement {
    let run = evidence.run("ignored")?;
    run.serves()?;
    let records = run.lines.iter().filter_map(Record::read);
    let mut records = records.map(|record| record.renamed(&evidence.names));
    let is_recorded = records.any(|record| record.text("message") == Some(IGNORED));
    require(is_recorded, || {
        let finding = run.finding("a record sockets_ignored");
        Finding {
            received: "no record sockets_ignored".to_owned(),
            ..finding
        }
    })
}
