//! The plan of a router under comparison: a list of calls, in the order of the code.
//!
//! A plan is data, so that it can be generated, printed as code and reduced. Removing a call from a
//! valid plan leaves a valid plan, except where axum demands a route before `route_layer`.

use std::fmt;

/// The calls that make a router.
pub(crate) type Plan = Vec<Call>;

/// One call of a method of `Router`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Route(&'static str, Vec<Endpoint>),
    Nest(&'static str, Plan),
    Merge(Plan),
    NestService(&'static str, Served),
    RouteService(&'static str, Served),
    Fallback(Handler),
    FallbackService(Served),
    MethodFallback(Handler),
    Layer(Layer),
    RouteLayer(Layer),
}

/// One call of a method of `MethodRouter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    On(Verb, Handler),
    Any(Handler),
    Fallback(Handler),
    Layer(Layer),
    RouteLayer(Layer),
}

/// The method of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Delete,
    Patch,
    Options,
    Head,
    Trace,
}

/// What a handler reads and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    /// Method, path, query, headers and body of the request, as text.
    Echo,
    Text,
    Html,
    Empty,
    Status(u16),
    StatusText(u16),
    /// A 1xx status, which is not final.
    Interim(u16),
    Json,
    Form,
    Query,
    Path,
    Bytes,
    String,
    Multipart,
    /// The request body is streamed back.
    Stream,
    /// The whole raw body is read, without axum's limit.
    Raw,
    /// The body is not read.
    Unread,
    Chunks,
    Trailers,
    Events,
    Large,
    Sized,
    Redirect,
    Failure,
    Panic,
    PanicInBody,
    Never,
    Peer,
    Extension,
    State,
    Session,
    ManyHeaders,
    OwnHeaders,
    RequestId,
    /// The connection must end: `Connection: close`.
    Close,
}

/// A tower layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    CorsPermissive,
    CorsStrict,
    Compression,
    RequestDecompression,
    BodyLimit(usize),
    DefaultBodyLimit(usize),
    NoDefaultBodyLimit,
    Timeout,
    /// For handlers that never respond.
    TimeoutAtOnce,
    SetHeader,
    AppendHeader,
    SetHeaderIfAbsent,
    SetNoSniffValue,
    Sensitive,
    Trace,
    CatchPanic,
    ValidateAccept,
    AddExtension,
    Propagate,
    SetRequestId,
    PropagateRequestId,
    NormalizePath,
    RedirectUnknown,
    Session,
    Authorization,
    TagStatus,
    ReplaceNotFound,
}

/// A service that is no handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Served {
    Directory,
    Precompressed,
    DirectoryElse(Handler),
    DirectoryNotFound(Handler),
    File,
    Function,
    Method(Handler),
    Router(Plan),
    /// `NormalizePath` around a router.
    Normalized(Plan),
}

/// Returns all plans with one call less, or with one call replaced by a smaller one.
pub(crate) fn reductions(plan: &Plan) -> Vec<Plan> {
    let mut smaller = Vec::new();
    // Halves first: most of a failing plan is unrelated to the failure.
    if plan.len() > 3 {
        smaller.push(plan[..plan.len() / 2].to_vec());
        smaller.push(plan[plan.len() / 2..].to_vec());
    }
    for (index, call) in plan.iter().enumerate() {
        let with = |calls: Vec<Call>| {
            let mut plan = plan.clone();
            plan.splice(index..=index, calls);
            plan
        };
        smaller.push(with(Vec::new()));
        smaller.extend(replacements(call).into_iter().map(with));
    }
    smaller
}

/// Returns smaller calls that can replace this one.
fn replacements(call: &Call) -> Vec<Vec<Call>> {
    match call {
        Call::Merge(inner) => {
            let mut all = vec![inner.clone()];
            all.extend(
                reductions(inner)
                    .into_iter()
                    .map(|it| vec![Call::Merge(it)]),
            );
            all
        }
        Call::Nest(path, inner) => {
            let nest = |inner| vec![Call::Nest(path, inner)];
            reductions(inner).into_iter().map(nest).collect()
        }
        Call::NestService(path, service) => {
            let nest = |service| vec![Call::NestService(path, service)];
            smaller_services(service).into_iter().map(nest).collect()
        }
        Call::RouteService(path, service) => {
            let route = |service| vec![Call::RouteService(path, service)];
            smaller_services(service).into_iter().map(route).collect()
        }
        Call::FallbackService(service) => {
            let fallback = |service| vec![Call::FallbackService(service)];
            smaller_services(service)
                .into_iter()
                .map(fallback)
                .collect()
        }
        Call::Route(path, endpoints) if endpoints.len() > 1 => (0..endpoints.len())
            .map(|index| {
                let mut endpoints = endpoints.clone();
                endpoints.remove(index);
                vec![Call::Route(path, endpoints)]
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn smaller_services(service: &Served) -> Vec<Served> {
    match service {
        Served::Router(plan) => reductions(plan).into_iter().map(Served::Router).collect(),
        Served::Normalized(plan) => {
            let mut all = vec![Served::Router(plan.clone())];
            all.extend(reductions(plan).into_iter().map(Served::Normalized));
            all
        }
        _ => Vec::new(),
    }
}

/// Prints a plan as code.
pub(crate) struct Code<'a>(pub(crate) &'a Plan);

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_router(f, self.0, 1)
    }
}

fn write_router(f: &mut fmt::Formatter<'_>, plan: &Plan, depth: usize) -> fmt::Result {
    write!(f, "Router::new()")?;
    let indent = "    ".repeat(depth);
    for call in plan {
        write!(f, "\n{indent}")?;
        match call {
            Call::Route(path, endpoints) => {
                write!(f, ".route({path:?}, ")?;
                for (index, endpoint) in endpoints.iter().enumerate() {
                    let dot = if index > 0 { "." } else { "" };
                    write!(f, "{dot}{endpoint:?}")?;
                }
                write!(f, ")")?;
            }
            Call::Nest(path, inner) => {
                write!(f, ".nest({path:?}, ")?;
                write_router(f, inner, depth + 1)?;
                write!(f, ")")?;
            }
            Call::Merge(inner) => {
                write!(f, ".merge(")?;
                write_router(f, inner, depth + 1)?;
                write!(f, ")")?;
            }
            Call::NestService(path, service) => {
                write!(f, ".nest_service({path:?}, ")?;
                write_service(f, service, depth)?;
            }
            Call::RouteService(path, service) => {
                write!(f, ".route_service({path:?}, ")?;
                write_service(f, service, depth)?;
            }
            Call::FallbackService(service) => {
                write!(f, ".fallback_service(")?;
                write_service(f, service, depth)?;
            }
            Call::Fallback(handler) => write!(f, ".fallback({handler:?})")?,
            Call::MethodFallback(handler) => {
                write!(f, ".method_not_allowed_fallback({handler:?})")?;
            }
            Call::Layer(layer) => write!(f, ".layer({layer:?})")?,
            Call::RouteLayer(layer) => write!(f, ".route_layer({layer:?})")?,
        }
    }
    Ok(())
}

fn write_service(f: &mut fmt::Formatter<'_>, service: &Served, depth: usize) -> fmt::Result {
    match service {
        Served::Router(plan) => write_router(f, plan, depth + 1)?,
        Served::Normalized(plan) => {
            write!(f, "NormalizePath(")?;
            write_router(f, plan, depth + 1)?;
            write!(f, ")")?;
        }
        other => write!(f, "{other:?}")?,
    }
    write!(f, ")")
}
