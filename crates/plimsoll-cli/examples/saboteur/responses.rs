//! Faults of requests and responses.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{environment, message::Message};

/// The turn of the scrape with lower counts, between others with which it is compared.
const FALLEN: usize = 8;

/// Changes messages according to one fault.
#[derive(Debug)]
pub(crate) struct Responses {
    fault: String,
    /// The requests to `/` and `/metrics` that followed each other in turns.
    turns: AtomicUsize,
    /// Series that a service without bounded labels would have.
    series: Mutex<BTreeSet<String>>,
}

impl Responses {
    pub(crate) fn new(fault: &str) -> Self {
        Self {
            fault: fault.to_owned(),
            turns: AtomicUsize::new(0),
            series: Mutex::default(),
        }
    }

    /// Changes a request before the service gets it.
    pub(crate) fn change_request(&self, request: &mut Message) {
        let is_trusted = environment::has("TRUSTED_PROXIES");
        match self.fault.as_str() {
            "HTTP-5:openmetrics" => request.remove_header("accept"),
            "SRV-3:large" => request.remove_header("x-long"),
            "IP-2:chain" => {
                if let Some(chain) = request.header("x-forwarded-for") {
                    let left_most = chain.split(',').next().unwrap_or_default().trim();
                    request.set_header("x-forwarded-for", left_most);
                }
            }
            "IP-3:forwarded" => {
                if let Some(chain) = request.header("forwarded") {
                    let left_most = chain.split(',').next().unwrap_or_default();
                    request.set_header("forwarded", left_most);
                }
            }
            "IP-3:only" if environment::has("FORWARDED_HEADER") => {
                if let Some(client) = request.header("x-forwarded-for") {
                    request.set_header("forwarded", &format!("for={client}"));
                }
            }
            "IP-3:similar" => {
                if let Some(client) = request.header("x_forwarded_for") {
                    request.set_header("x-forwarded-for", &client);
                }
            }
            "TRC-1:continued" if is_trusted && !environment::has("OTEL_TRACES_SAMPLER") => {
                request.remove_header("traceparent");
            }
            "TRC-1:malformed" => {
                if let Some(context) = request.header("traceparent") {
                    request.set_header("traceparent", &context.to_lowercase());
                }
            }
            "TRC-4:probes"
                if request.header("traceparent").is_some() && request.word(1) == "/health" =>
            {
                request.first_line = b"GET / HTTP/1.1".to_vec();
            }
            "TRC-5:trace" | "TRC-5:fields" => {
                let line = String::from_utf8_lossy(&request.first_line);
                let line = match self.fault.as_str() {
                    "TRC-5:trace" => line.replace("/trace/spans?", "/hello?"),
                    _ => line.replace("/trace/spans?item=", "/trace/spans?item=1&other="),
                };
                request.first_line = line.into_bytes();
            }
            "IP-5:trusted" => request.remove_header("x-forwarded-host"),
            "IP-5:different" => {
                let is_https = |scheme: &str| scheme.starts_with("https");
                if request
                    .header("x-forwarded-proto")
                    .is_some_and(|it| is_https(&it))
                {
                    request.set_header("x-forwarded-proto", "https");
                }
            }
            "IP-5:untrusted" if !is_trusted => {
                if let Some(host) = request.header("x-forwarded-host") {
                    request.set_header("host", &host);
                }
            }
            _ => {}
        }
    }

    /// Changes the response to a request.
    pub(crate) fn change(&self, request: &Message, response: &mut Message) {
        let target = request.word(1);
        let path = target.split('?').next().unwrap_or_default();
        let turns = self.turns.load(Ordering::Relaxed);
        let turns = match (path, turns % 2) {
            ("/", 0) | ("/metrics", 1) => turns + 1,
            ("/", _) => 1,
            _ => 0,
        };
        self.turns.store(turns, Ordering::Relaxed);
        match (self.fault.as_str(), path) {
            ("HTTP-1:banner", "/") => response.set_body("hello\n"),
            ("HTTP-1:charset", "/") => response.set_header("content-type", "text/plain"),
            ("HTTP-2:info", "/info") => response.replace("}", ",\"host\":\"a\"}"),
            ("HTTP-2:form", "/info") => response.replace("\":\"", "\": \""),
            ("CFG-1:build", "/info") => response.replace("9.8.7-verify", "1.0.0"),
            ("HTTP-3:live", "/health") | ("HTTP-4:ready", "/ready") => {
                response.set_status("500 Internal Server Error");
            }
            ("HTTP-3:body", "/health") | ("HTTP-4:body", "/ready") => {
                response.replace("ok\n", "{\"status\":\"ok\"}");
            }
            ("ADM-3:main", "/metrics") if environment::is_admin_only() => {
                response.set_status("200 OK");
            }
            ("ADM-6:main", "/admin/config") => {
                response.set_status("200 OK");
                response.set_header("content-type", "application/json");
            }
            ("LIFE-1:ready", "/ready") if environment::admin().is_none() => {
                response.set_status("200 OK");
                response.set_body("ok\n");
            }
            ("HTTP-5:text", "/metrics") => {
                response.set_header("content-type", "application/json");
            }
            ("HTTP-6:head", _) if request.word(0) == "HEAD" => {
                response.set_status("404 Not Found");
            }
            ("HTTP-6:method", "/health") if request.word(0) == "POST" => {
                response.set_status("200 OK");
            }
            ("HTTP-7:problem", _) if response.word(1) == "404" => {
                response.set_header("content-type", "text/html");
            }
            ("HTTP-7:method", _) if response.word(1) == "405" => {
                response.set_header("content-type", "text/html");
            }
            ("HTTP-8:cache", "/health") => response.remove_header("cache-control"),
            ("HTTP-9:security", _) => response.remove_header("referrer-policy"),
            ("HTTP-9:server", _) => response.set_header("server", "nginx"),
            ("HTTP-10:aliases", "/livez") => {
                response.set_status("404 Not Found");
            }
            ("SRV-5:response", "/panic") => {
                response.set_status("502 Bad Gateway");
            }
            ("RID-4:missing", _) if response.word(1) == "405" => {
                response.remove_header("x-request-id");
            }
            ("RID-2:kept", _) if id_length(request) == 128 => {
                response.set_header("x-request-id", "0123456789abcdef0123456789abcdef");
            }
            ("RID-2:length", _) if id_length(request) == 129 => echo(request, response),
            ("RID-2:charset", _)
                if request
                    .header("x-request-id")
                    .is_some_and(|id| id.contains(' ')) =>
            {
                echo(request, response);
            }
            ("RID-2:repeated", _) if request.count("x-request-id") == 2 => echo(request, response),
            ("RID-5:unique", _) if request.header("x-request-id").is_none() => {
                response.set_header("x-request-id", "0123456789abcdef0123456789abcdef");
            }
            ("RID-1:echo", _) if request.header("x-request-id").is_some() => {
                response.set_header("x-request-id", "0123456789abcdef0123456789abcdef");
            }
            ("RID-1:generated", _) if request.header("x-request-id").is_none() => {
                let id = response.header("x-request-id").unwrap_or_default();
                response.set_header("x-request-id", &id.to_uppercase());
            }
            (_, "/metrics") => self.change_metrics(response),
            _ => self.count(request, path),
        }
    }

    /// Notes the series of a request that has a label from its client. Its value is 0, so that sums stay exact.
    fn count(&self, request: &Message, path: &str) {
        let method = request.word(0);
        let labels = match self.fault.as_str() {
            "MET-4:paths" if path.starts_with("/.plimsoll/") => ("GET", path),
            "MET-4:methods" if method != "GET" => (method.as_str(), "__unmatched__"),
            _ => return,
        };
        let (method, path) = labels;
        let labels = format!(
            "{{service=\"verified-service\",method=\"{method}\",path=\"{path}\",status=\"404\"}} 0\n"
        );
        let series =
            format!("http_requests_total{labels}http_request_duration_seconds_count{labels}");
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(series);
    }

    fn change_metrics(&self, response: &mut Message) {
        let without = |part: &str| {
            let text = response.text();
            let lines = text.lines().filter(|line| !line.contains(part));
            lines.map(|line| format!("{line}\n")).collect::<String>()
        };
        let text = match self.fault.as_str() {
            // One scrape of those that are compared with each other.
            "MET-5:falls" if self.turns.load(Ordering::Relaxed) == FALLEN => without("path=\"/\""),
            "MET-5:equal" => {
                let text = response.text();
                let lines = text.lines().map(|line| {
                    let is_count = line.starts_with("http_request_duration_seconds_count")
                        && line.contains("path=\"/\"");
                    let digit = if is_count { "0" } else { "" };
                    format!("{line}{digit}\n")
                });
                lines.collect()
            }
            "TRC-7:counts" => without("trace_spans_exported_total"),
            "TRC-8:exemplars" => {
                let text = response.text();
                let lines = text
                    .lines()
                    .map(|line| line.split(" # {").next().unwrap_or(line));
                lines.map(|line| format!("{line}\n")).collect()
            }
            "TLS-5:counter" => without("tls_reload_failures_total"),
            "TLS-6:end" => without("tls_certificate_not_after_seconds"),
            "TLS-7:counted" => without("kind=\"tls_handshake\""),
            "LOG-13:count" => without("method=\"_OTHER\",path=\"__unmatched__\",status=\"400\""),
            "MET-6:connections" => without("http_connections_open"),
            "MET-6:service" => without("service_state"),
            "MET-6:process" => without("process_open_fds"),
            "MET-7:strict" => without("# HELP panics_total"),
            "SRV-5:count" => without("panics_total ") + "panics_total 0\n",
            "LOG-5:counted" => without("path=\"/health\""),
            "MET-1:counts" => response
                .text()
                .replace("http_requests_total", "requests_total"),
            "MET-2:histogram" => response
                .text()
                .replace("http_request_duration_seconds", "request_seconds"),
            "MET-2:buckets" => without("le=\"0.075\""),
            "MET-3:build" => response.text().replace("build_info", "version_info"),
            "MET-4:paths" | "MET-4:methods" => {
                let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
                let series: String = series.iter().map(String::as_str).collect();
                response.text() + &series
            }
            _ => return,
        };
        response.set_body(text);
    }
}

fn id_length(request: &Message) -> usize {
    request.header("x-request-id").map_or(0, |id| id.len())
}

fn echo(request: &Message, response: &mut Message) {
    let id = request.header("x-request-id").unwrap_or_default();
    response.set_header("x-request-id", &id);
}
