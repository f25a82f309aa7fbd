//! Generates cases: one seed, one case. This file generates the routers.

use super::{
    generate_requests::connection,
    plan::{Call, Endpoint, Handler, Layer, Plan, Served, Verb},
    random::Random,
    requests::Case,
};

const PATHS: [&str; 14] = [
    "/",
    "/a",
    "/a/b",
    "/a/{id}",
    "/b",
    "/b/",
    "/c/{*rest}",
    "/d/{id}/e",
    "/{one}/x",
    "/{*rest}",
    "/a.b",
    "/long/er/path",
    "/x",
    "/%C3%BC",
];

const PREFIXES: [&str; 7] = [
    "/a",
    "/n",
    "/n/{tenant}",
    "/api/v1",
    "/files",
    "/n/",
    "/deep/er",
];

const HANDLERS: [Handler; 29] = [
    Handler::Echo,
    Handler::Text,
    Handler::Html,
    Handler::Empty,
    Handler::Json,
    Handler::Form,
    Handler::Query,
    Handler::Path,
    Handler::Bytes,
    Handler::String,
    Handler::Multipart,
    Handler::Stream,
    Handler::Raw,
    Handler::Unread,
    Handler::Chunks,
    Handler::Trailers,
    Handler::Events,
    Handler::Large,
    Handler::Sized,
    Handler::Redirect,
    Handler::Failure,
    Handler::Panic,
    Handler::PanicInBody,
    Handler::Peer,
    Handler::Extension,
    Handler::State,
    Handler::Session,
    Handler::ManyHeaders,
    Handler::OwnHeaders,
];

const STATUSES: [u16; 18] = [
    200, 201, 202, 204, 205, 206, 304, 400, 401, 403, 404, 404, 405, 410, 413, 418, 500, 503,
];

const LAYERS: [Layer; 24] = [
    Layer::CorsPermissive,
    Layer::CorsStrict,
    Layer::Compression,
    Layer::RequestDecompression,
    Layer::BodyLimit(10),
    Layer::BodyLimit(1000),
    Layer::DefaultBodyLimit(10),
    Layer::DefaultBodyLimit(1000),
    Layer::DefaultBodyLimit(4_000_000),
    Layer::NoDefaultBodyLimit,
    Layer::Timeout,
    Layer::SetHeader,
    Layer::AppendHeader,
    Layer::SetHeaderIfAbsent,
    Layer::SetNoSniffValue,
    Layer::Sensitive,
    Layer::Trace,
    Layer::CatchPanic,
    Layer::ValidateAccept,
    Layer::AddExtension,
    Layer::Propagate,
    Layer::NormalizePath,
    Layer::RedirectUnknown,
    Layer::Session,
];

const MORE_LAYERS: [Layer; 5] = [
    Layer::SetRequestId,
    Layer::PropagateRequestId,
    Layer::Authorization,
    Layer::TagStatus,
    Layer::ReplaceNotFound,
];

/// Generates the case of a seed. `is_valid` returns whether axum accepts a plan.
pub(crate) fn case(seed: u64, is_valid: &dyn Fn(&Plan) -> bool) -> Case {
    let mut random = Random::new(seed);
    let plan = plan(&mut random, 2, is_valid);
    let mut targets = Vec::new();
    collect_targets(&plan, "", &mut targets);
    let mut sequence = 0;
    let connections = (0..4)
        .map(|_| connection(&mut random, &targets, &mut sequence))
        .collect();
    Case { plan, connections }
}

fn plan(random: &mut Random, depth: usize, is_valid: &dyn Fn(&Plan) -> bool) -> Plan {
    let mut plan = Plan::new();
    for _ in 0..2 + random.below(7) {
        let call = call(random, depth, is_valid);
        plan.push(call);
        if !is_valid(&plan) {
            plan.pop();
        }
    }
    plan
}

fn call(random: &mut Random, depth: usize, is_valid: &dyn Fn(&Plan) -> bool) -> Call {
    match random.below(100) {
        0..=39 => Call::Route(random.pick(&PATHS), endpoints(random)),
        40..=49 if depth > 0 => {
            Call::Nest(random.pick(&PREFIXES), plan(random, depth - 1, is_valid))
        }
        50..=55 if depth > 0 => Call::Merge(plan(random, depth - 1, is_valid)),
        56..=61 => {
            let service = service(random, depth, is_valid);
            Call::NestService(random.pick(&PREFIXES), service)
        }
        62..=65 => Call::RouteService(random.pick(&PATHS), service(random, depth, is_valid)),
        66..=70 => Call::Fallback(handler(random)),
        71..=73 => Call::FallbackService(service(random, depth, is_valid)),
        74..=77 => Call::MethodFallback(handler(random)),
        78..=82 => Call::RouteLayer(layer(random)),
        _ => Call::Layer(layer(random)),
    }
}

fn endpoints(random: &mut Random) -> Vec<Endpoint> {
    if random.chance(3) {
        // A handler that never responds always has a timeout.
        return vec![
            Endpoint::Any(Handler::Never),
            Endpoint::Layer(Layer::TimeoutAtOnce),
        ];
    }
    let verbs = [
        Verb::Get,
        Verb::Get,
        Verb::Post,
        Verb::Post,
        Verb::Put,
        Verb::Delete,
        Verb::Patch,
        Verb::Options,
        Verb::Head,
        Verb::Trace,
    ];
    let mut endpoints = Vec::new();
    for _ in 0..1 + random.below(3) {
        endpoints.push(match random.below(20) {
            0 | 1 => Endpoint::Any(handler(random)),
            2 => Endpoint::Fallback(handler(random)),
            3 => Endpoint::RouteLayer(layer(random)),
            4 | 5 => Endpoint::Layer(layer(random)),
            _ => Endpoint::On(random.pick(&verbs), handler(random)),
        });
    }
    endpoints
}

fn handler(random: &mut Random) -> Handler {
    match random.below(20) {
        0 | 1 => Handler::Status(random.pick(&STATUSES)),
        2 => Handler::StatusText(random.pick(&STATUSES)),
        3 => random.pick(&[
            Handler::RequestId,
            Handler::RequestId,
            Handler::Close,
            Handler::Interim(103),
        ]),
        _ => random.pick(&HANDLERS),
    }
}

fn layer(random: &mut Random) -> Layer {
    if random.chance(20) {
        return random.pick(&MORE_LAYERS);
    }
    random.pick(&LAYERS)
}

fn service(random: &mut Random, depth: usize, is_valid: &dyn Fn(&Plan) -> bool) -> Served {
    match random.below(10) {
        0 | 1 => Served::Directory,
        2 => Served::Precompressed,
        3 => Served::DirectoryElse(handler(random)),
        4 => Served::DirectoryNotFound(handler(random)),
        5 => Served::File,
        6 => Served::Function,
        7 if depth > 0 => Served::Router(plan(random, depth - 1, is_valid)),
        8 if depth > 0 => Served::Normalized(plan(random, depth - 1, is_valid)),
        _ => Served::Method(handler(random)),
    }
}

/// All patterns of a plan, with the prefixes of its nests.
fn collect_targets(plan: &Plan, prefix: &str, targets: &mut Vec<String>) {
    for call in plan {
        match call {
            Call::Route(path, _) => targets.push(format!("{prefix}{path}")),
            Call::Nest(path, inner) => collect_targets(inner, &format!("{prefix}{path}"), targets),
            Call::Merge(inner) => collect_targets(inner, prefix, targets),
            Call::NestService(path, service) => {
                collect_services(service, &format!("{prefix}{path}"), targets);
            }
            Call::RouteService(path, _) => targets.push(format!("{prefix}{path}")),
            Call::FallbackService(service) => collect_services(service, prefix, targets),
            _ => {}
        }
    }
}

fn collect_services(service: &Served, prefix: &str, targets: &mut Vec<String>) {
    match service {
        Served::Router(plan) | Served::Normalized(plan) => collect_targets(plan, prefix, targets),
        Served::Function | Served::Method(_) | Served::File => targets.push(prefix.to_owned()),
        _ => {
            for file in [
                "/a.txt",
                "/large.bin",
                "/sub",
                "/",
                "/sp%20ace.txt",
                "/%C3%BC.txt",
                "/none",
            ] {
                targets.push(format!("{prefix}{file}"));
            }
        }
    }
}
