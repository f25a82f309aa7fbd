//! Builds routers from plans.

use std::convert::Infallible;

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
    routing::{self, MethodFilter, MethodRouter},
};
use tower::{Layer as _, Service, ServiceExt as _, service_fn, util::BoxCloneSyncService};
use tower_http::{
    normalize_path::NormalizePathLayer,
    services::{ServeDir, ServeFile},
};

use super::{
    files::Files,
    handlers::{Site, fall_back, handle, with_state},
    layers::Erased,
    plan::{Call, Endpoint, Handler, Plan, Served, Verb},
};

/// A service of any kind: one type keeps the test quick to compile.
pub(crate) type Boxed = BoxCloneSyncService<Request, Response, Infallible>;

/// Puts a service into a box.
pub(crate) fn boxed<S>(service: S) -> Boxed
where
    S: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(service.map_response(IntoResponse::into_response))
}

/// Builds the router of a plan.
pub(crate) fn router(plan: &Plan, site: &Site, files: &Files) -> Router {
    stateful(plan, site, files).with_state(site.clone())
}

fn stateful(plan: &Plan, site: &Site, files: &Files) -> Router<Site> {
    plan.iter().fold(Router::new(), |router, call| match call {
        Call::Route(path, endpoints) => router.route(path, methods(endpoints, site)),
        Call::Nest(path, inner) => router.nest(path, stateful(inner, site, files)),
        Call::Merge(inner) => router.merge(stateful(inner, site, files)),
        Call::NestService(path, service) => router.nest_service(path, served(service, site, files)),
        Call::RouteService(path, service) => {
            router.route_service(path, served(service, site, files))
        }
        Call::Fallback(handler) => {
            let handler = *handler;
            router.fallback(move |request: Request| fall_back(handler, request))
        }
        Call::FallbackService(service) => router.fallback_service(served(service, site, files)),
        Call::MethodFallback(handler) => {
            let handler = *handler;
            router.method_not_allowed_fallback(move |request: Request| fall_back(handler, request))
        }
        Call::Layer(layer) => router.layer(Erased(*layer)),
        Call::RouteLayer(layer) => router.route_layer(Erased(*layer)),
    })
}

fn methods(endpoints: &[Endpoint], site: &Site) -> MethodRouter<Site> {
    let new = MethodRouter::new();
    endpoints.iter().fold(new, |methods, endpoint| {
        let called = |handler: Handler| {
            let site = site.clone();
            move |request: Request| handle(handler, site.clone(), request)
        };
        match *endpoint {
            Endpoint::On(verb, Handler::State) => methods.on(filter(verb), with_state),
            Endpoint::On(verb, handler) => methods.on(filter(verb), called(handler)),
            Endpoint::Any(handler) => routing::any(called(handler)).merge(methods),
            Endpoint::Fallback(handler) => methods.fallback(called(handler)),
            Endpoint::Layer(layer) => methods.layer(Erased(layer)),
            Endpoint::RouteLayer(layer) => methods.route_layer(Erased(layer)),
        }
    })
}

fn filter(verb: Verb) -> MethodFilter {
    match verb {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
        Verb::Put => MethodFilter::PUT,
        Verb::Delete => MethodFilter::DELETE,
        Verb::Patch => MethodFilter::PATCH,
        Verb::Options => MethodFilter::OPTIONS,
        Verb::Head => MethodFilter::HEAD,
        Verb::Trace => MethodFilter::TRACE,
    }
}

/// A service in the form that a router stores.
fn served(service: &Served, site: &Site, files: &Files) -> Boxed {
    let called = |handler: Handler| {
        let site = site.clone();
        let service = move |request: Request| {
            let site = site.clone();
            async move { Ok::<_, Infallible>(handle(handler, site, request).await) }
        };
        service_fn(service)
    };
    match service {
        Served::Directory => boxed(ServeDir::new(files.path())),
        Served::Precompressed => boxed(ServeDir::new(files.path()).precompressed_gzip()),
        Served::DirectoryElse(handler) => boxed(
            ServeDir::new(files.path())
                .call_fallback_on_method_not_allowed(true)
                .fallback(called(*handler)),
        ),
        Served::DirectoryNotFound(handler) => boxed(
            ServeDir::new(files.path())
                .append_index_html_on_directories(false)
                .not_found_service(called(*handler)),
        ),
        Served::File => boxed(ServeFile::new(files.path().join("a.txt"))),
        Served::Function => boxed(called(Handler::Echo)),
        Served::Method(handler) => {
            boxed(methods(&[Endpoint::On(Verb::Get, *handler)], site).with_state(site.clone()))
        }
        Served::Router(plan) => boxed(router(plan, site, files)),
        Served::Normalized(plan) => {
            let layer = NormalizePathLayer::trim_trailing_slash();
            boxed(layer.layer(router(plan, site, files)))
        }
    }
}
