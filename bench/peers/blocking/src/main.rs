//! A service whose handler blocks its thread for 100 ms: in the chassis, or in `axum::serve` with
//! `PART=none`.

use std::{
    env, io,
    process::{ExitCode, Termination},
    thread,
    time::Duration,
};

use axum::{Router, routing::get};
use plimsoll::{App, build_info};
use tokio::net::TcpListener;

const BLOCKED: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let router = Router::new().route("/", get(block));
    match setting("PART").as_deref() {
        Ok("none") => serve(router).report(),
        Ok("all") => App::new(build_info!()).router(router).run().report(),
        other => Err::<(), _>(io::Error::other(format!("PART: {other:?}"))).report(),
    }
}

async fn block() -> &'static str {
    thread::sleep(BLOCKED);
    "rust-axum-app is running (Rust + Axum)\n"
}

fn setting(name: &str) -> io::Result<String> {
    env::var(name).map_err(|it| io::Error::other(format!("{name}: {it}")))
}

fn serve(router: Router) -> io::Result<()> {
    let addr = format!("{}:{}", setting("HOST")?, setting("PORT")?);
    let workers = setting("WORKERS")?.parse().map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?;
    runtime.block_on(async { axum::serve(TcpListener::bind(addr).await?, router).await })
}
