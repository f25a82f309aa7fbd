//! Parts of the chassis around the same router, which has `ROUTES` routes besides the banner's.
//!
//! `PART` selects the parts:
//! * `none`: `axum::serve` and the router, nothing else;
//! * `edge`: the chassis's layer under `axum::serve`, without its connections and deadlines;
//! * `all`: the whole chassis.

use std::{
    env, io,
    net::SocketAddr,
    process::{ExitCode, Termination},
};

use axum::{Router, routing::get, serve::ListenerExt};
use plimsoll::{App, build_info};
use tokio::net::TcpListener;

const BANNER: &str = "rust-axum-app is running (Rust + Axum)\n";

fn main() -> ExitCode {
    let result = match setting("PART").as_deref() {
        Ok("none") => router().and_then(serve),
        Ok("edge") => edge(),
        Ok("all") => match router() {
            Ok(router) => return App::new(build_info!()).router(router).run().report(),
            Err(error) => Err(error),
        },
        Ok(other) => Err(io::Error::other(format!("PART={other}"))),
        Err(_) => Err(io::Error::other("PART is not set")),
    };
    result.report()
}

fn setting(name: &str) -> io::Result<String> {
    env::var(name).map_err(|it| io::Error::other(format!("{name}: {it}")))
}

fn router() -> io::Result<Router> {
    let routes: usize = setting("ROUTES")?.parse().map_err(io::Error::other)?;
    let banner = Router::new().route("/", get(async || BANNER));
    Ok((0..routes).fold(banner, |router, number| {
        router.route(&format!("/r/{number}"), get(async || BANNER))
    }))
}

fn edge() -> io::Result<()> {
    let chassis = App::new(build_info!())
        .prepare()
        .map_err(io::Error::other)?;
    let layer = chassis.layer();
    let metrics = layer.clone();
    let exposition = async move || metrics.metrics(plimsoll::metrics::TextFormat::Plain);
    serve(router()?.layer(layer).route("/metrics", get(exposition)))
}

fn serve(router: Router) -> io::Result<()> {
    let addr = format!("{}:{}", setting("HOST")?, setting("PORT")?);
    let workers = setting("WORKERS")?.parse().map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(addr).await?.tap_io(|stream| {
            // A connection that has just been reset: hyper finds out, too.
            let _ = stream.set_nodelay(true);
        });
        // The layer takes the client's address from there.
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).await
    })
}
