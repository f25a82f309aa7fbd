//! Peers on a unix socket.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use plimsoll::{App, UdsConnectInfo, build_info};

use super::client;
use crate::in_process::Embedded;
use crate::support::start;

/// Returns a path for a socket, at most about a hundred bytes long.
fn socket_path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("plimsoll-{}-{name}", std::process::id()));
    drop(fs::remove_file(&path));
    path
}

/// IP-2
#[test]
fn unix_peer_is_a_dash_and_untrusted() {
    let path = socket_path("untrusted");
    let host = format!("unix:{}", path.display());
    let service = start(&[("HOST", &host), ("TRUSTED_PROXIES", "0.0.0.0/0,::/0")]);
    assert_eq!(client(&service, ""), "-");
    assert_eq!(client(&service, "X-Forwarded-For: 203.0.113.7\r\n"), "-");
    drop(service);
    drop(fs::remove_file(path));
}

/// IP-2
#[test]
fn unix_peer_is_trusted_if_the_list_contains_unix() {
    let path = socket_path("trusted");
    let host = format!("unix:{}", path.display());
    let service = start(&[("HOST", &host), ("TRUSTED_PROXIES", "unix,10.0.0.0/8")]);
    assert_eq!(
        client(&service, "X-Forwarded-For: 203.0.113.7, 10.1.2.3\r\n"),
        "203.0.113.7"
    );
    assert_eq!(client(&service, "X-Forwarded-For: unknown\r\n"), "-");
    drop(service);
    drop(fs::remove_file(path));
}

/// IP-2: the value of axum's extractor for a peer on a unix socket.
#[tokio::test]
async fn credentials_of_a_unix_peer_are_extracted() {
    let peer = |ConnectInfo(peer): ConnectInfo<UdsConnectInfo>| async move {
        format!("{} {:?}", peer.uid(), peer.pid())
    };
    let router = Router::new().route("/peer", get(peer));
    let service = Embedded::serve(App::new(build_info!()).router(router), &[]);
    service.wait_until_ready().await;
    let (status, text) = service.get("/peer").await;
    assert_eq!(status, 200);
    // The client is a thread of this process.
    let uid = fs::metadata("/proc/self").unwrap().uid();
    assert_eq!(text, format!("{uid} Some({})", std::process::id()));
    drop(service.stop().report().await);
}
