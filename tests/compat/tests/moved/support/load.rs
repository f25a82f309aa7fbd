//! A few hundred clients that send requests in a loop, and a tally of those that got no answer.
//!
//! A request is lost if it was sent and has no whole answer. A connection that was closed before a
//! request was sent on it costs no request: the client opens another. A refused connect is a lost
//! request too, until [`DRAIN_DELAY`] after the signal.
//!
//! Over HTTP/1 the drain closes a connection after 250 ms of silence, and no server can answer a
//! request that meets the close (RFC 9112, section 9.5). So a request that a client sends later than
//! [`LATE`] after the drain, without a response since the signal, is late and not lost. Late
//! requests are counted apart.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use harness::{Process, eventually};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpStream, UnixStream},
    runtime::Runtime,
    task::JoinHandle,
};

/// How long a moved application still accepts after the signal, as Kubernetes has it.
pub const DRAIN_DELAY: Duration = Duration::from_secs(1);
pub const DRAIN_DELAY_TEXT: &str = "1s";

/// Half of the time that the drain leaves to a silent connection: the rest is for the way to it.
const LATE: Duration = Duration::from_millis(125);

/// Clients that keep their connection, and clients that open one for each request.
const KEEPING: usize = 200;
const OPENING: usize = 50;

/// Requests that must have been answered before the signal.
const BEFORE_SIGNAL: u64 = 1000;

/// A kind of request that the clients send, and the status that it gets.
#[derive(Clone)]
pub struct Work {
    pub method: &'static str,
    pub path: &'static str,
    pub content_type: &'static str,
    pub body: Bytes,
    pub status: u16,
}

impl Work {
    pub fn get(path: &'static str) -> Self {
        Self {
            method: "GET",
            path,
            content_type: "",
            body: Bytes::new(),
            status: 200,
        }
    }
}

/// Where the application listens.
#[derive(Clone)]
pub enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl From<&Process> for Target {
    fn from(process: &Process) -> Self {
        Self::Tcp(process.addr())
    }
}

/// What the clients have seen.
#[derive(Default)]
pub struct Tally {
    answered: AtomicU64,
    late: AtomicU64,
    lost: Mutex<Vec<String>>,
    refusals_from: OnceLock<Instant>,
}

impl Tally {
    pub fn count_answer(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_lost(&self, what: String) {
        self.lost.lock().unwrap().push(what);
    }

    /// Whether the listener may be closed by now.
    pub fn may_refuse(&self) -> bool {
        let from = self.refusals_from.get();
        from.is_some_and(|from| Instant::now() >= *from)
    }

    /// The time from the earliest moment of the drain to `at`, in seconds; negative before it.
    fn since_drain(&self, at: Instant) -> f64 {
        let drain = self.refusals_from.get().copied().unwrap_or(at);
        let after = at.saturating_duration_since(drain).as_secs_f64();
        after - drain.saturating_duration_since(at).as_secs_f64()
    }
}

/// Clients at work.
pub struct Load {
    tally: Arc<Tally>,
    clients: Vec<JoinHandle<()>>,
    runtime: Runtime,
    before: OnceLock<u64>,
}

impl Load {
    /// Starts clients that send `work` over HTTP/1.1, over and over.
    pub fn start(target: Target, work: Vec<Work>) -> Self {
        let work = Arc::new(work);
        Self::run(KEEPING + OPENING, |number, tally| {
            let (target, work) = (target.clone(), Arc::clone(&work));
            client(target, work, number, number < KEEPING, tally)
        })
    }

    /// Starts clients of any kind.
    pub fn run<F>(clients: usize, client: impl Fn(usize, Arc<Tally>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let tally = Arc::new(Tally::default());
        let clients = (0..clients)
            .map(|number| runtime.spawn(client(number, Arc::clone(&tally))))
            .collect();
        Self {
            tally,
            clients,
            runtime,
            before: OnceLock::new(),
        }
    }

    fn answered(&self) -> u64 {
        self.tally.answered.load(Ordering::Relaxed)
    }

    /// Waits until the load is under way.
    #[track_caller]
    pub fn wait_for_answers(&self) {
        eventually("the clients have their first answers", || {
            let lost = self.tally.lost.lock().unwrap().len();
            (self.answered() >= BEFORE_SIGNAL || lost > 0).then_some(())
        });
    }

    /// Takes a refused connect for the closed listener, from so long after now.
    pub fn allow_refusals_after(&self, delay: Duration) {
        self.before.get_or_init(|| self.answered());
        self.tally
            .refusals_from
            .get_or_init(|| Instant::now() + delay);
    }

    /// Waits until all clients have found the listener closed, and asserts that nothing was lost.
    #[track_caller]
    pub fn finish(mut self) {
        let clients = std::mem::take(&mut self.clients);
        self.runtime.block_on(async {
            for client in clients {
                client.await.unwrap();
            }
        });
        let answered = self.answered();
        let lost = self.tally.lost.lock().unwrap();
        assert!(
            lost.is_empty(),
            "{} requests lost of {answered}: {:?}",
            lost.len(),
            &lost[..lost.len().min(5)]
        );
        let before = self.before.get().copied().unwrap_or(answered);
        assert!(answered > before, "answers after the signal");
        println!(
            "{answered} requests answered, {} of them after the signal, 0 lost, {} late",
            answered - before,
            self.tally.late.load(Ordering::Relaxed)
        );
    }
}

/// One client, until it is refused.
async fn client(
    target: Target,
    work: Arc<Vec<Work>>,
    number: usize,
    keeps: bool,
    tally: Arc<Tally>,
) {
    let mut turn = number;
    loop {
        let mut sender = match connect(&target).await {
            Ok(sender) => sender,
            Err(error) => {
                if !(is_refusal(&error) && tally.may_refuse()) {
                    tally.count_lost(format!("connect: {error:?}"));
                }
                return;
            }
        };
        let mut is_reused = false;
        loop {
            turn += 1;
            let work = &work[turn % work.len()];
            let which = if is_reused { "reused" } else { "new" };
            is_reused = true;
            let sent = tally.since_drain(Instant::now());
            match exchange(&mut sender, work, keeps).await {
                Outcome::Answered => tally.count_answer(),
                Outcome::Closing => {
                    tally.count_answer();
                    break;
                }
                Outcome::NotSent => break,
                Outcome::Unanswered(_) if sent > LATE.as_secs_f64() => {
                    tally.late.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Outcome::Unanswered(error) | Outcome::Lost(error) => {
                    let (method, path) = (work.method, work.path);
                    tally.count_lost(format!(
                        "{method} {path} on a {which} connection, sent {sent:.3} s after the drain: {error}"
                    ));
                    break;
                }
            }
        }
    }
}

/// Whether the port has no listener.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::NotFound
    )
}

async fn connect(target: &Target) -> io::Result<SendRequest<Full<Bytes>>> {
    match target {
        Target::Tcp(addr) => handshake(TcpStream::connect(addr).await?).await,
        Target::Unix(path) => handshake(UnixStream::connect(path).await?).await,
    }
}

async fn handshake(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
) -> io::Result<SendRequest<Full<Bytes>>> {
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(io::Error::other)?;
    // What fails there, the request sees too.
    tokio::spawn(async { drop(connection.await) });
    Ok(sender)
}

/// What became of one request.
enum Outcome {
    Answered,
    /// Answered, and the connection ends.
    Closing,
    /// The connection had ended before.
    NotSent,
    /// The connection ended before the first byte of an answer.
    Unanswered(String),
    /// The answer is incomplete, or it is a wrong one.
    Lost(String),
}

impl From<hyper::Error> for Outcome {
    fn from(error: hyper::Error) -> Self {
        match error.is_canceled() || error.is_closed() {
            true => Self::NotSent,
            false => Self::Unanswered(format!("{error:?}")),
        }
    }
}

/// Sends one request and reads the whole answer.
async fn exchange(sender: &mut SendRequest<Full<Bytes>>, work: &Work, keeps: bool) -> Outcome {
    let mut request = Request::builder()
        .method(work.method)
        .uri(work.path)
        .header(header::HOST, "localhost");
    if !work.content_type.is_empty() {
        request = request.header(header::CONTENT_TYPE, work.content_type);
    }
    if !keeps {
        request = request.header(header::CONNECTION, "close");
    }
    let request = request.body(Full::new(work.body.clone())).unwrap();
    if let Err(error) = sender.ready().await {
        return error.into();
    }
    let answer = match sender.send_request(request).await {
        Ok(answer) => answer,
        Err(error) => return error.into(),
    };
    let status = answer.status();
    let closes = answer.headers().get(header::CONNECTION);
    let closes = closes.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
    if let Err(error) = answer.into_body().collect().await {
        return Outcome::Lost(format!("{error:?}"));
    }
    match status == work.status {
        false => Outcome::Lost(format!("status {status}")),
        true if closes || !keeps => Outcome::Closing,
        true => Outcome::Answered,
    }
}
