//! The metrics of a process, found by its id.
//!
//! The process is this one. It has one test, because it would find the sockets of others, too.
#![cfg(target_os = "linux")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    thread,
    time::Duration,
};

use plimsoll_scrape::{Source, Target};

const LIMIT: Duration = Duration::from_secs(10);

/// Answers one request with the bytes, and closes the listener.
fn serve(listener: TcpListener, answer: &'static str) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the source connects");
        let lines = BufReader::new(stream.try_clone().expect("a descriptor is free")).lines();
        lines.map_while(Result::ok).find(String::is_empty);
        let written = stream.write_all(answer.as_bytes());
        written.expect("the source reads the response");
    })
}

#[tokio::test]
async fn least_public_socket_with_metrics_is_read() {
    let public = TcpListener::bind("0.0.0.0:0").unwrap();
    let page = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = TcpListener::bind("127.0.0.1:0").unwrap();
    let peers = [
        serve(page, "HTTP/1.1 404 Not Found\r\n\r\n"),
        serve(admin, "HTTP/1.1 200 OK\r\n\r\nadmin 1\n"),
    ];
    let mut source = Source::new(Target::Process(std::process::id()));
    source.check().await.unwrap();
    assert_eq!(source.scrape(LIMIT).await.unwrap(), "admin 1\n");
    for peer in peers {
        peer.join().unwrap();
    }
    // The admin listener is closed, so the next scrape fails, and the one after it searches again.
    source.scrape(LIMIT).await.unwrap_err();
    let public = serve(public, "HTTP/1.1 200 OK\r\n\r\npublic 1\n");
    assert_eq!(source.scrape(LIMIT).await.unwrap(), "public 1\n");
    public.join().unwrap();
}
