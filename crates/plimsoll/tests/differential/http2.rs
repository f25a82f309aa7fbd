//! A client of HTTP/2 with prior knowledge: the requests of a connection are streams at one time.

use std::{io, net::SocketAddr, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version},
};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

use super::{
    answer::{Answer, Outcome},
    handlers::{Frames, SEQUENCE},
    requests::{Connection, Payload, Sent},
};

/// Limit of one request. It is reached only if a server neither answers nor resets.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sends the requests of a connection, and returns one outcome for each.
pub(crate) async fn exchange(
    addr: SocketAddr,
    connection: &Connection,
) -> io::Result<Vec<Outcome>> {
    let stream = TcpStream::connect(addr).await?;
    let io = TokioIo::new(stream);
    let (sender, driver) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .map_err(io::Error::other)?;
    let driver = tokio::spawn(driver);
    let mut streams = JoinSet::new();
    for (index, sent) in connection.requests.iter().enumerate() {
        let mut sender = sender.clone();
        let request = request(sent)?;
        streams.spawn(async move {
            let exchange = async {
                match sender.send_request(request).await {
                    Ok(answer) => read(answer).await,
                    Err(_) => Outcome::Closed,
                }
            };
            (index, timeout(PATIENCE, exchange).await)
        });
    }
    let mut outcomes = vec![Outcome::Closed; connection.requests.len()];
    while let Some(done) = streams.join_next().await {
        let (index, outcome) = done.map_err(io::Error::other)?;
        outcomes[index] = outcome.map_err(io::Error::other)?;
    }
    drop(sender);
    driver.abort();
    Ok(outcomes)
}

/// Returns the request in the form that hyper takes.
fn request(sent: &Sent) -> io::Result<Request<Frames>> {
    let mut request = Request::builder()
        .method(sent.method)
        .version(Version::HTTP_2)
        .uri(format!("http://localhost{}", sent.target))
        .header(SEQUENCE, sent.sequence);
    for (name, value) in &sent.headers {
        let bytes: Vec<u8> = value
            .chars()
            .map(|it| u8::try_from(u32::from(it)).unwrap_or(b'?'))
            .collect();
        request = request.header(
            *name,
            HeaderValue::from_bytes(&bytes).map_err(io::Error::other)?,
        );
    }
    let data = |bytes: &[u8]| Frame::data(Bytes::copy_from_slice(bytes));
    let frames = match &sent.body {
        Payload::None => Vec::new(),
        Payload::Sized(bytes) => {
            request = request.header("content-length", bytes.len());
            vec![data(bytes)]
        }
        Payload::Chunked { chunks, trailer } => {
            let mut frames: Vec<_> = chunks.iter().map(|chunk| data(chunk)).collect();
            if *trailer {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-trailer", HeaderValue::from_static("1"));
                frames.push(Frame::trailers(trailers));
            }
            frames
        }
    };
    request.body(Frames(frames)).map_err(io::Error::other)
}

async fn read(answer: Response<Incoming>) -> Outcome {
    let (head, mut body) = answer.into_parts();
    let mut answer = Answer {
        interim: Vec::new(),
        status: head.status.as_u16(),
        headers: fields(&head.headers),
        body: Vec::new(),
        is_cut: false,
        trailers: Vec::new(),
        closes: false,
        ended_silently: false,
    };
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            answer.is_cut = true;
            break;
        };
        match frame.into_data() {
            Ok(data) => answer.body.extend_from_slice(&data),
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    answer.trailers = fields(&trailers);
                }
            }
        }
    }
    // hyper treats a cancelled stream as one that has ended.
    answer.is_cut |= !body.is_end_stream();
    Outcome::Answer(answer)
}

fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    headers.iter().map(field).collect()
}
