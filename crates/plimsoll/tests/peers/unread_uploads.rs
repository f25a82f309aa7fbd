//! Uploads that no handler reads, beside the requests of other clients on the same kept
//! connections.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;

use crate::client::Client;
use crate::setup::{Figures, scaled};

const UPLOADERS: usize = 4;
const CLIENTS: u32 = 8;

/// Repeatedly posts 50 kB to an unknown path, while other clients send requests.
#[track_caller]
pub(crate) fn upload_to_nowhere(test: &'static str, front: SocketAddr) {
    let requests: u32 = scaled(2_000, 20_000);
    let stop = AtomicBool::new(false);
    let uploads = AtomicU64::new(0);
    let failed_uploads = AtomicU64::new(0);
    let failed = AtomicU32::new(0);
    let head = "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n";
    let upload = [head.as_bytes(), &[b'x'; 50_000]].concat();
    thread::scope(|scope| {
        for _ in 0..UPLOADERS {
            scope.spawn(|| {
                let mut client = Client::new(front);
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.ask(&upload);
                    uploads.fetch_add(1, Ordering::Relaxed);
                    if !answer.is_ok_and(|reply| reply.status == 404) {
                        failed_uploads.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::new(front);
                    for _ in 0..requests / CLIENTS {
                        let answer = client.get("/hello", "");
                        if !answer.is_ok_and(|reply| reply.status == 200) {
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let mut figures = Figures::of(test);
    figures.info("requests of others", requests);
    figures.info("uploads", uploads.into_inner());
    figures.exact("failed requests of others", 0, failed.into_inner());
    figures.exact("failed uploads", 0, failed_uploads.into_inner());
    figures.judge();
}
