//! actix-web with its own logger, in JSON, and `actix-web-prom`.
//!
//! Records go through `tracing-appender`'s thread, which is cheaper here than straight to stdout.

use std::{env, io, io::Write as _, time::Duration};

use actix_web::{App, HttpResponse, HttpServer, middleware::Logger, rt::System, web};
use actix_web_prom::PrometheusMetricsBuilder;
use env_logger::Target;
use log::LevelFilter;

const RECORD: &str = r#"{"time":"%t","message":"http_request","peer":"%a","request":"%r","status":%s,"bytes":%b,"userAgent":"%{User-Agent}i","seconds":%T}"#;

fn main() -> io::Result<()> {
    let setting =
        |name: &str| env::var(name).map_err(|it| io::Error::other(format!("{name}: {it}")));
    let addr = format!("{}:{}", setting("HOST")?, setting("PORT")?);
    let workers = setting("WORKERS")?.parse().map_err(io::Error::other)?;
    let (stdout, _guard) = tracing_appender::non_blocking(io::stdout());
    env_logger::Builder::new()
        .filter_module("actix_web::middleware::logger", LevelFilter::Info)
        .format(|out, record| writeln!(out, "{}", record.args()))
        .target(Target::Pipe(Box::new(stdout)))
        .init();
    let metrics = PrometheusMetricsBuilder::new("bench")
        .endpoint("/metrics")
        .build();
    let metrics = metrics.map_err(|it| io::Error::other(it.to_string()))?;
    let server = HttpServer::new(move || {
        App::new()
            .wrap(metrics.clone())
            .wrap(Logger::new(RECORD))
            .route("/", web::get().to(banner))
    });
    // As long as a proxy in front keeps its connections, also before a request; 5 s by default.
    let patience = Duration::from_secs(75);
    let server = server.keep_alive(patience).client_request_timeout(patience);
    System::new().block_on(server.workers(workers).bind(addr)?.run())
}

async fn banner() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("rust-axum-app is running (Rust + Axum)\n")
}
