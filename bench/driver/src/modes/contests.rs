//! The modes in which contestants take turns under load.

use std::{fs, path::PathBuf, process::Command};

use super::Mode;
use crate::{
    Failure, build,
    contest::{Contest, Contestant, Price},
    load::Load,
    options::Options,
    peer::{self, Peer},
};

/// Those that are asked for, in the order in which they take turns.
pub fn of(mode: Mode, options: &Options) -> Result<Contest, Failure> {
    let (title, contestants, against): (_, _, &[&str]) = match mode {
        Mode::Keepalive => (
            "GET / over 64 kept-alive connections",
            keepalive(options),
            &["bare", "raw_hyper"][..],
        ),
        Mode::Concerns => (
            "The chassis's parts: GET / over 64 kept-alive connections",
            concerns(),
            &["bare"][..],
        ),
        Mode::Churn => {
            let peers = main_peers().map(|it| contestant(it, Load::churn()));
            (
                "A new connection for each GET /",
                peers.to_vec(),
                &["bare", "raw_hyper"][..],
            )
        }
        Mode::Pipeline => {
            let peers = main_peers().map(|it| contestant(it, Load::pipeline(16)));
            (
                "16 GET / at a time on 64 connections",
                peers.to_vec(),
                &["bare", "raw_hyper"][..],
            )
        }
        Mode::Tls => ("GET / over TLS", tls()?, &["raw_hyper"][..]),
        Mode::Http2 => (
            "GET / over HTTP/2 without TLS, 16 connections of 10 streams",
            http2(),
            &["bare", "raw_hyper"][..],
        ),
        Mode::Scale => (
            "Routes, series and idle connections",
            scale(),
            &["bare"][..],
        ),
        Mode::Idle
        | Mode::Scrape
        | Mode::Delay
        | Mode::Spread
        | Mode::Startup
        | Mode::Size
        | Mode::Profile => {
            return Err(format!("{} is no contest", mode.name()).into());
        }
    };
    let mut contest = Contest {
        name: mode.name(),
        title,
        contestants,
        against,
        prices: match mode {
            Mode::Concerns => &PRICES,
            Mode::Scale => &GROWTH,
            _ => &[],
        },
    };
    select(&mut contest, options)?;
    if let Some(program) = options.before {
        contest.contestants.extend(before(&contest, program));
    }
    Ok(contest)
}

fn select(contest: &mut Contest, options: &Options) -> Result<(), Failure> {
    if options.named.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = contest
        .contestants
        .iter()
        .map(|it| it.name.clone())
        .collect();
    if let Some(unknown) = options.named.iter().find(|it| !names.contains(it)) {
        let mode = contest.name;
        return Err(format!("{mode} has no peer {unknown:?}, but {}", names.join(", ")).into());
    }
    contest
        .contestants
        .retain(|it| options.named.contains(&it.name));
    Ok(())
}

/// The chassis as it was, where the chassis takes part.
fn before(contest: &Contest, program: &'static Peer) -> Option<Contestant> {
    let now = contest
        .contestants
        .iter()
        .find(|it| it.peer == &peer::CHASSIS)?;
    let does = format!("the same, as built in `{}`", program.package);
    Some(Contestant {
        name: program.name.to_owned(),
        does,
        peer: program,
        ours: false,
        ..now.clone()
    })
}

fn contestant(peer: &'static Peer, load: Load) -> Contestant {
    Contestant {
        name: peer.name.to_owned(),
        suffix: String::new(),
        does: peer.does.to_owned(),
        peer,
        environment: Vec::new(),
        load,
        idle: 0,
        ours: peer.name == "chassis",
    }
}

fn keepalive(options: &Options) -> Vec<Contestant> {
    let all = [
        &peer::BARE,
        &peer::RAW_HYPER,
        &peer::CHASSIS,
        &peer::USUAL_BLOCKING,
        &peer::USUAL_APPENDER,
        &peer::USUAL_JSON_SUBSCRIBER,
        &peer::ACTIX,
        &peer::NGINX,
        &peer::GO,
    ];
    let quick = options.quick && options.named.is_empty();
    let peers: &[&Peer] = if quick { &main_peers() } else { &all };
    peers
        .iter()
        .map(|it| contestant(it, Load::keepalive()))
        .collect()
}

fn main_peers() -> [&'static Peer; 4] {
    [
        &peer::BARE,
        &peer::RAW_HYPER,
        &peer::CHASSIS,
        &peer::USUAL_JSON_SUBSCRIBER,
    ]
}

fn concerns() -> Vec<Contestant> {
    let with = |peer, name: &str, does: &str, environment: &[(&'static str, &str)]| Contestant {
        name: name.to_owned(),
        does: does.to_owned(),
        environment: environment
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        ..contestant(peer, Load::keepalive())
    };
    let silent = ("LOG_LEVEL", "CRITICAL");
    let (no_deadline, no_slots) = (("REQUEST_TIMEOUT", "0"), ("MAX_IN_FLIGHT", "0"));
    vec![
        contestant(&peer::BARE, Load::keepalive()),
        contestant(&peer::CHASSIS, Load::keepalive()),
        with(
            &peer::CHASSIS,
            "silent",
            "the reference service with `LOG_LEVEL=CRITICAL`",
            &[silent],
        ),
        with(
            &peer::CHASSIS,
            "no_deadline",
            "the reference service with `REQUEST_TIMEOUT=0`",
            &[no_deadline],
        ),
        with(
            &peer::CHASSIS,
            "no_slots",
            "the reference service with `MAX_IN_FLIGHT=0`",
            &[no_slots],
        ),
        with(
            &peer::CHASSIS,
            "least",
            "the reference service with these three",
            &[silent, no_deadline, no_slots],
        ),
        contestant(&peer::PART_EDGE, Load::keepalive()),
        with(
            &peer::PART_EDGE,
            "edge_least",
            "the layer with these three",
            &[silent, no_deadline, no_slots],
        ),
    ]
}

const PRICES: [Price; 7] = [
    Price {
        of: "everything",
        with: "chassis",
        without: "bare",
        whole: "bare",
    },
    Price {
        of: "the access record: formatted, queued, written",
        with: "chassis",
        without: "silent",
        whole: "bare",
    },
    Price {
        of: "the handler's deadline",
        with: "chassis",
        without: "no_deadline",
        whole: "bare",
    },
    Price {
        of: "slots for requests in flight",
        with: "chassis",
        without: "no_slots",
        whole: "bare",
    },
    Price {
        of: "request id, client's address, security headers, counter and histogram, panic guard, \
             and axum's boxes around a layer",
        with: "edge_least",
        without: "bare",
        whole: "bare",
    },
    Price {
        of: "connections of its own with their deadlines and limits, in place of `axum::serve` and \
             those boxes",
        with: "least",
        without: "edge_least",
        whole: "bare",
    },
    Price {
        of: "all but the record, the deadline and the slots",
        with: "least",
        without: "bare",
        whole: "bare",
    },
];

const GROWTH: [Price; 6] = [
    growth(
        "10,000 routes, one asked for",
        "bare_10000_1_0",
        "bare_1_1_0",
    ),
    growth("the same", "chassis_10000_1_0", "chassis_1_1_0"),
    growth(
        "10,000 routes, all asked for",
        "bare_10000_10000_0",
        "bare_1_1_0",
    ),
    growth(
        "the same, 10,000 series",
        "chassis_10000_10000_0",
        "chassis_1_1_0",
    ),
    growth(
        "10,000 idle connections beside",
        "bare_1_1_10000",
        "bare_1_1_0",
    ),
    growth("the same", "chassis_1_1_10000", "chassis_1_1_0"),
];

const fn growth(of: &'static str, with: &'static str, without: &'static str) -> Price {
    Price {
        of,
        with,
        without,
        whole: without,
    }
}

fn tls() -> Result<Vec<Contestant>, Failure> {
    let certificate = certificate()?;
    let path = |name: &str| certificate.join(name).display().to_string();
    let environment = vec![
        ("TLS_CERT_FILE", path("tls.crt")),
        ("TLS_KEY_FILE", path("tls.key")),
    ];
    let over_tls = |peer, load: Load| Contestant {
        environment: environment.clone(),
        ..contestant(peer, load.over_tls())
    };
    let churn = |peer| {
        let it = over_tls(peer, Load::handshakes());
        let suffix = "_handshake".to_owned();
        Contestant {
            name: format!("{}{suffix}", it.name),
            suffix,
            does: format!("{}; a handshake for each request", it.does),
            ..it
        }
    };
    Ok(vec![
        over_tls(&peer::RAW_HYPER_TLS, Load::keepalive()),
        over_tls(&peer::CHASSIS, Load::keepalive()),
        churn(&peer::RAW_HYPER_TLS),
        churn(&peer::CHASSIS),
    ])
}

/// Where the certificate and its key are, made for a day.
fn certificate() -> Result<PathBuf, Failure> {
    let folder = build::bench().join("target/tls");
    fs::create_dir_all(&folder)?;
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
    ]);
    openssl.args(["-nodes", "-days", "2", "-subj", "/CN=localhost"]);
    openssl.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    openssl
        .arg("-keyout")
        .arg(folder.join("tls.key"))
        .arg("-out")
        .arg(folder.join("tls.crt"));
    let output = openssl.output().map_err(|it| format!("openssl: {it}"))?;
    if !output.status.success() {
        return Err(format!("openssl: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(folder)
}

fn http2() -> Vec<Contestant> {
    vec![
        contestant(&peer::BARE_HTTP2, Load::http2(16, 10)),
        contestant(&peer::RAW_HYPER_HTTP2, Load::http2(16, 10)),
        Contestant {
            environment: vec![("HTTP2_CLEARTEXT", "on".to_owned())],
            ..contestant(&peer::CHASSIS, Load::http2(16, 10))
        },
    ]
}

/// What must not make a request dearer than it makes one of `axum::serve`.
fn scale() -> Vec<Contestant> {
    const MANY: usize = 10_000;
    // How many routes there are, how many of them are asked for, connections beside.
    let sizes = [(1, 1, 0), (MANY, 1, 0), (MANY, MANY, 0), (1, 1, MANY)];
    let mut contestants = Vec::new();
    for (routes, asked, idle) in sizes {
        for peer in [&peer::PART_NONE, &peer::PART_ALL] {
            let mut environment = vec![("ROUTES", routes.to_string())];
            environment.push(("MAX_CONNECTIONS", (MANY + 1000).to_string()));
            let suffix = format!("_{routes}_{asked}_{idle}");
            contestants.push(Contestant {
                name: format!("{}{suffix}", peer.name),
                suffix,
                does: format!(
                    "{}: {routes} routes, of which {asked} are asked for in turn, {idle} idle connections",
                    peer.does
                ),
                environment,
                idle,
                ..contestant(peer, Load::routes(asked))
            });
        }
    }
    contestants
}
