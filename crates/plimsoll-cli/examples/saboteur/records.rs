//! Faults of records.

use std::{
    io::{Write as _, stdout},
    sync::{Mutex, PoisonError},
};

use tokio::task::spawn_blocking;

use crate::{environment, message::Message};

/// Changes records according to one fault.
#[derive(Debug)]
pub(crate) struct Records {
    fault: String,
    /// An access record, from which others are made.
    access: Mutex<Option<String>>,
    /// Held during a write.
    output: tokio::sync::Mutex<()>,
}

impl Records {
    pub(crate) fn new(fault: &str) -> Self {
        Self {
            fault: fault.to_owned(),
            access: Mutex::default(),
            output: tokio::sync::Mutex::default(),
        }
    }

    /// Whether the log begins with a line of text.
    pub(crate) fn has_banner(&self) -> bool {
        self.fault == "LOG-1:json"
    }

    /// Returns the lines in place of one line of the service.
    pub(crate) fn change(&self, line: String) -> Vec<String> {
        let is_start = line.contains("\"infra_app_ready\"");
        let is_access = line.contains("\"http_request\"");
        let is_missing = line.contains("\"status\":404");
        if is_access {
            let mut access = self.access.lock().unwrap_or_else(PoisonError::into_inner);
            *access = Some(line.clone());
        }
        match self.fault.as_str() {
            "LOG-1:hostile" if line.contains("forged-record") => {
                let forged = with(&line, "message", "\"forged-record\"");
                vec![line, forged]
            }
            "LOG-2:fields" => vec![without(&line, "threadName")],
            "LOG-2:values" => vec![line.replacen(' ', "T", 1)],
            "LOG-2:order" => {
                let message = value(&line, "message").unwrap_or_default().to_owned();
                let rest = without(&line, "message");
                vec![rest.replacen('{', &format!("{{\"message\":{message},"), 1)]
            }
            "LOG-3:one" if is_access => vec![line.clone(), line],
            "LOG-3:fields" if is_access => {
                let status = value(&line, "status").unwrap_or_default();
                vec![with(&line, "status", &format!("\"{status}\""))]
            }
            "LOG-3:unmatched" if is_access && is_missing => {
                let path = value(&line, "rawPath").unwrap_or_default();
                vec![with(&line, "path", path)]
            }
            "LOG-3:order" if is_access => {
                let query = value(&line, "query").unwrap_or_default().to_owned();
                let rest = without(&line, "query");
                vec![rest.replacen(
                    ",\"service\":",
                    &format!(",\"query\":{query},\"service\":"),
                    1,
                )]
            }
            "LOG-3:secrets" => vec![line.replace("token=***", "token=hunter2-and-more")],
            // Not a fault if it is configured.
            "names" if is_access => vec![line.replacen("\"rawPath\":", "\"raw_path\":", 1)],
            "LOG-4:level" if is_access => vec![with(&line, "levelname", "\"INFO\"")],
            "LOG-6:single" if is_access && is_missing => {
                let other = with(&line, "message", "\"Not Found\"");
                vec![line, other]
            }
            "RID-2:record" => vec![line.replace(",\"requestIdReplaced\":true", "")],
            "CFG-4:nearest" if line.contains("\"setting_unknown\"") => Vec::new(),
            "CFG-5:shown" if is_start => {
                let secret = environment::variable("SECRET_KEY").unwrap_or_default();
                vec![with(&line, "address", &format!("\"{secret}\""))]
            }
            "CFG-7:shadowed" if line.contains("\"settings_aliases\"") => Vec::new(),
            "CFG-11:warning" if line.contains("\"bodies_exceed_memory\"") => Vec::new(),
            "ADM-10:records" if line.contains("\"admin_change_ended\"") => Vec::new(),
            "CFG-3:record" if line.contains("config_invalid") => Vec::new(),
            "LOG-14:ids" => vec![line.replace("\"spanId\":", "\"span\":")],
            "TRC-7:ended" if line.contains("trace_export_ended") => Vec::new(),
            "TLS-5:record" if line.contains("tls_reload_failed") => Vec::new(),
            "TLS-6:soon" if line.contains("tls_certificate_expires_soon") => Vec::new(),
            "LOG-8:cut" if line.contains("aaaa…") => vec![line.replacen("…", "...", 1)],
            "LOG-8:method" if is_access => {
                vec![line.replacen("ZABCDE…", "ZABCDEFGHIJKLMNOP", 1)]
            }
            "LOG-8:invalid" if is_access => vec![line.replace('\u{fffd}', "?")],
            "LOG-9:aborted" => vec![line.replace(",\"aborted\":true", "")],
            "LOG-10:invisible" => vec![line.replace("\\u200b", "\u{200b}")],
            "LOG-11:dropped"
                if line.contains("/.plimsoll/stopped/") && line.contains("7\",\"query\"") =>
            {
                Vec::new()
            }
            "LOG-12:all"
                if line.contains("/.plimsoll/end-read/") && line.contains("7-\",\"query\"") =>
            {
                Vec::new()
            }
            "LOG-12:sum" if line.contains("/.plimsoll/end-unread/") && line.contains("7-f") => {
                Vec::new()
            }
            "LOG-12:last" if line.contains("shutdown_complete") => {
                vec![with(&line, "exitStatus", "9")]
            }
            "LOG-16:kept" if line.contains("\"debugOnError\":true") => Vec::new(),
            "LOG-16:marked" => vec![line.replace("\"debugOnError\":true,", "")],
            "LOG-16:freed" if is_access && line.contains("\"status\":200") => {
                let record = with(&line, "message", "\"debug_event\"");
                vec![with(&record, "levelname", "\"DEBUG\""), line]
            }
            "H2-6:record" if is_access && line.contains("\"method\":\"CONNECT\"") => Vec::new(),
            "LOG-13:record" if line.contains("\"protocolError\":") => Vec::new(),
            "SRV-5:record" if line.contains("\"location\":") => Vec::new(),
            "SRV-7:stuck" if line.contains("\"worker_stuck\"") => {
                vec![with(&line, "request_id", "\"-\"")]
            }
            "LIFE-8:ignored" if line.contains("\"sockets_ignored\"") => Vec::new(),
            "LIFE-6:report" if line.contains("shutdown_complete") => Vec::new(),
            "SIG-3:record" if line.contains("signal_ignored") => Vec::new(),
            "LOG-7:ready" if is_start => vec![with(&line, "message", "\"started\"")],
            "LOG-7:once" if is_start => vec![line.clone(), line],
            "LOG-7:always" if is_start && environment::is_quiet() => Vec::new(),
            "RID-3:outside" if is_start => vec![with(&line, "request_id", "\"none\"")],
            "RID-3:access" if is_access => vec![with(&line, "request_id", "\"-\"")],
            _ => vec![line],
        }
    }

    /// Writes lines. A write that blocks does not block the requests, too.
    pub(crate) async fn write(&self, lines: String) {
        let output = self.output.lock().await;
        let write = spawn_blocking(move || stdout().write_all(lines.as_bytes()));
        // Without a reader, there is nothing to do but to go on.
        let _ = write.await;
        drop(output);
    }

    /// Waits until all lines are written, for the fault of a request that waits for its record.
    pub(crate) async fn wait(&self) {
        if self.fault == "LOG-11:waits" {
            drop(self.output.lock().await);
        }
    }

    /// Returns records that the service would not write for a request.
    pub(crate) fn of_request(&self, request: &Message) -> Vec<String> {
        let access = self.access.lock().unwrap_or_else(PoisonError::into_inner);
        let path = request.word(1);
        let is_probe = match self.fault.as_str() {
            "LOG-5:probes" => path == "/health",
            "HTTP-11:unlogged" => path == "/info",
            _ => false,
        };
        match (&*access, request.header("x-request-id")) {
            (Some(access), Some(id)) if is_probe => {
                let record = with(access, "request_id", &format!("\"{id}\""));
                let record = with(&record, "rawPath", &format!("\"{path}\""));
                vec![with(&record, "query", "\"\"")]
            }
            _ => Vec::new(),
        }
    }
}

/// Returns the value of a field. Values of the fields in question contain no comma before a quote.
fn value<'line>(line: &'line str, name: &str) -> Option<&'line str> {
    let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
    let end = rest.find(",\"").or_else(|| rest.rfind('}'))?;
    Some(&rest[..end])
}

fn with(line: &str, name: &str, new: &str) -> String {
    let old = value(line, name).unwrap_or_default();
    let (old, new) = (format!("\"{name}\":{old}"), format!("\"{name}\":{new}"));
    line.replacen(&old, &new, 1)
}

fn without(line: &str, name: &str) -> String {
    let old = value(line, name).unwrap_or_default();
    line.replacen(&format!("\"{name}\":{old},"), "", 1)
}
