//! How long a scrape takes, and what one a second does to the traffic.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Failure, client, cpu,
    load::{Load, Seen},
    machine::Machine,
    options::Options,
    peer::{self, Peer},
    results,
    server::Server,
    stats::Spread,
    table::spread,
};

pub static PEER: &Peer = &peer::PART_ALL;

/// With these, a scrape is 10,000 lines, and one of each 10,000 counters and histograms.
const ROUTES: [usize; 2] = [555, 10_000];
const SCRAPES: usize = 20;
const MILLISECOND: f64 = 1e3;

type Value = fn(&Seen) -> f64;

pub fn run(options: &Options) -> Result<(), Failure> {
    let mut text = Machine::describe().markdown("Scrapes");
    text.push_str(
        "\nEvery route has been asked for once, so that each has a counter and a histogram. The admin \
         listener is asked, on the core that the workers have too.\n\n\
         | routes with series | lines | KB | ms a scrape |\n|---|---|---|---|\n",
    );
    for routes in ROUTES {
        let (server, admin) = start(options, routes)?;
        let mut took = Vec::new();
        let mut exposition = String::new();
        for _ in 0..SCRAPES {
            let asked = Instant::now();
            exposition = scraped(admin)?;
            took.push(asked.elapsed().as_secs_f64() * MILLISECOND);
        }
        // Writing to a string does not fail, here and below.
        let _ = writeln!(
            text,
            "| {routes} | {} | {} | {} |",
            exposition.lines().filter(|it| !it.starts_with('#')).count(),
            exposition.len() / 1024,
            spread(Spread::of(took), 2),
        );
        server.stop()?;
    }
    text.push_str(
        "\nUnder the load of 64 kept-alive connections, without scrapes and with one a second:\n\n\
         | routes with series | p50 ms | with scrapes | p99 ms | with scrapes | p99.9 ms | with scrapes | requests/s | with scrapes |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for routes in ROUTES {
        under_load(&mut text, options, routes)?;
    }
    results::keep(options, "scrape", &text, None)
}

fn start(options: &Options, routes: usize) -> Result<(Server, SocketAddr), Failure> {
    let admin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let environment = [
        ("ROUTES", routes.to_string()),
        ("ADMIN_ADDR", admin.to_string()),
    ];
    let server = Server::spawn(PEER, options.server_core, &environment)?;
    server.check("/")?;
    Load::routes(routes).warm_up(server.addr, options.load_core, 1)?;
    server.settle()?;
    let series = scraped(admin)?
        .lines()
        .filter(|it| it.starts_with("http_requests_total{"))
        .count();
    if series < routes {
        return Err(format!("{series} of {routes} routes have a series").into());
    }
    Ok((server, admin))
}

fn scraped(admin: SocketAddr) -> Result<String, Failure> {
    let answer = client::get(admin, "/metrics")?;
    if answer.status != 200 {
        return Err(format!("/metrics is answered with {}", answer.status).into());
    }
    Ok(answer.body)
}

fn under_load(text: &mut String, options: &Options, routes: usize) -> Result<(), Failure> {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        for (scrapes, seen) in [(false, &mut without), (true, &mut with)] {
            let (server, admin) = start(options, routes)?;
            let cpu_before = cpu::of_process(server.pid())?;
            let turn = loaded(options, &server, scrapes.then_some(admin))?;
            let cpu = (cpu::of_process(server.pid())? - cpu_before).div_f64(turn.requests as f64);
            eprintln!(
                "scrape: round {round}  {routes} routes, scrapes: {scrapes}  {cpu:?} CPU  {turn:?}"
            );
            seen.push(turn);
            server.stop()?;
        }
    }
    let _ = write!(text, "| {routes} |");
    let values: [(Value, usize); 4] = [
        (|it| it.p50 as f64 / MILLISECOND, 2),
        (|it| it.p99 as f64 / MILLISECOND, 2),
        (|it| it.p999 as f64 / MILLISECOND, 2),
        (Seen::requests_per_second, 0),
    ];
    for (value, digits) in values {
        for seen in [&without, &with] {
            let _ = write!(
                text,
                " {} |",
                spread(Spread::of(seen.iter().map(value)), digits)
            );
        }
    }
    text.push('\n');
    Ok(())
}

fn loaded(
    options: &Options,
    server: &Server,
    scraped_at: Option<SocketAddr>,
) -> Result<Seen, Failure> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let scraper = scope.spawn(|| -> Result<(), Failure> {
            while let Some(admin) = scraped_at.filter(|_| !over.load(Ordering::Acquire)) {
                let asked = Instant::now();
                scraped(admin)?;
                thread::park_timeout(Duration::from_secs(1).saturating_sub(asked.elapsed()));
            }
            Ok(())
        });
        let seen = Load::keepalive().run(server.addr, options.load_core, options.seconds);
        over.store(true, Ordering::Release);
        scraper.thread().unpark();
        scraper.join().map_err(|_| "the scraper has panicked")??;
        seen
    })
}
