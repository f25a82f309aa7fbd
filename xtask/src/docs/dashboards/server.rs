//! The state of the server: life cycle, health checks, requests, connections, workers, process, TLS, operator
//! controls.

use super::{
    controls, health,
    model::{Dashboard, Panel, row, series, stacked, states},
};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "plimsoll-server",
        title: "Server and connections",
        about: "The server of a service: state, health checks, limits, connections, workers, process, TLS, operator controls.",
        rows: vec![
            row("State", state()),
            health::checks(),
            row("Requests", requests()),
            row("Connections", connections()),
            row("Workers", workers()),
            row("Process", process()),
            row("TLS", tls()),
            controls::controls(),
        ],
    }
}

fn state() -> Vec<Panel> {
    vec![
        states(
            "State of life",
            "Where each instance is in its life: lame_duck and draining are an end that \
                 was asked for, a gap is a process that is not there.",
        )
        .query(
            r#"sum by (instance) (
                     1 * service_state{@all, state="starting"}
                     or 2 * service_state{@all, state="ready"}
                     or 3 * service_state{@all, state="not_ready"}
                     or 4 * service_state{@all, state="lame_duck"}
                     or 5 * service_state{@all, state="draining"}
                     or 6 * service_state{@all, state="flushing"})"#,
            "{{instance}}",
        )
        .wide(16)
        .means(1, "starting", "blue")
        .means(2, "ready", "green")
        .means(3, "not_ready", "red")
        .means(4, "lame_duck", "yellow")
        .means(5, "draining", "orange")
        .means(6, "flushing", "purple"),
        series(
            "Probes that failed",
            "reqps",
            "503 on /ready and its kin: what the balancer sees.",
        )
        .query(
            r#"sum by (instance, path) (rate(http_requests_total{@all,
                   path=~"/(health|healthz|livez|ready|readyz|startupz)", status="503"}[@rate]))"#,
            "{{instance}} {{path}}",
        ),
    ]
}

fn requests() -> Vec<Panel> {
    vec![
        series(
            "Requests in flight",
            "none",
            "Requests that have begun and not ended, event streams among them.",
        )
        .query("http_requests_in_flight{@all}", "{{instance}}"),
        series(
            "Slots taken",
            "percentunit",
            "Share of MAX_IN_FLIGHT that is taken. RequestSlotsNearlyFull is at 80 %; \
                 at 100 % requests are shed.",
        )
        .query(
            "http_request_slots_taken{@all} / http_request_slots{@all}",
            "{{instance}}",
        )
        .up_to(1.0)
        .from(0.8, "orange"),
        series(
            "Shed",
            "reqps",
            "Requests rejected with 503 because no slot or no connection was free.",
        )
        .query(
            "sum by (instance) (rate(http_requests_shed_total{@all}[@rate]))",
            "{{instance}}",
        ),
    ]
}

fn connections() -> Vec<Panel> {
    vec![
        series(
            "Connections open",
            "none",
            "Open now, those of the admin listener among them.",
        )
        .query("http_connections_open{@all}", "{{instance}}"),
        series(
            "Connections accepted",
            "cps",
            "New connections a second. Many with few requests each are clients without \
                 keep-alive.",
        )
        .query(
            "sum by (instance) (rate(http_connections_total{@all}[@rate]))",
            "{{instance}}",
        ),
        series(
            "Requests a connection",
            "none",
            "Requests of each connection, with scrapes and probes. Near 1, clients do not keep connections.",
        )
        .query(
            "sum by (instance) (rate(http_requests_total{@all}[@rate])) / sum by \
                 (instance) (rate(http_connections_total{@all}[@rate]) > 0)",
            "{{instance}}",
        ),
        series(
            "Connections aged",
            "cps",
            "Connections that reached MAX_CONNECTION_AGE and close after their next response.",
        )
        .query(
            "sum by (instance) (rate(http_connections_aged_total{@all}[@rate]))",
            "{{instance}}",
        ),
        stacked(
            "Connections rejected",
            "cps",
            "At MAX_CONNECTIONS: no_request had no complete head, idle waited for its next request, full was rejected.",
        )
        .query(
            "sum by (reason) (rate(http_connections_rejected_total{@all}[@rate]))",
            "{{reason}}",
        ),
        stacked(
            "Heads that failed",
            "reqps",
            "malformed, head_too_large and uri_too_long were answered; the others were \
                 not. head_timeout in number is an attack, tls_handshake a client that does \
                 not trust the certificate.",
        )
        .query(
            "sum by (kind) (rate(http_protocol_errors_total{@all}[@rate]))",
            "{{kind}}",
        ),
        stacked(
            "Accepts that failed",
            "cps",
            "connection is a client that was gone already; descriptors, memory and \
                 forbidden stop all new clients.",
        )
        .query(
            "sum by (kind) (rate(http_accept_errors_total{@all}[@rate]))",
            "{{kind}}",
        ),
    ]
}

fn workers() -> Vec<Panel> {
    vec![
        series(
            "Busy",
            "percentunit",
            "Share of its time that each worker was not idle. At 100 % its requests \
                 wait for each other.",
        )
        .query(
            "rate(runtime_worker_busy_seconds_total{@all}[@rate])",
            "{{instance}} worker {{worker}}",
        )
        .up_to(1.0)
        .from(0.9, "orange"),
        series(
            "Silence",
            "s",
            "Time since each worker last ran. Above 1.5 s it is stuck, and worker_stuck \
                 is in the log.",
        )
        .query(
            "runtime_worker_silence_seconds{@all}",
            "{{instance}} worker {{worker}}",
        )
        .from(1.5, "red"),
        series(
            "Restarts of background workers",
            "none",
            "Background workers that have panicked or returned and were restarted, in 5 minutes. \
                 The log names the reason in worker_task_failed.",
        )
        .query(
            "increase(worker_task_restarts_total{@all}[5m])",
            "{{instance}} {{worker}}",
        )
        .from(1.0, "red"),
        series(
            "Tasks alive",
            "none",
            "Tasks that have been started and not ended, one for each connection among \
                 them. What only grows is a leak.",
        )
        .query("runtime_alive_tasks{@all}", "{{instance}}"),
        series(
            "Tasks that wait",
            "none",
            "Woken from elsewhere and not run yet: long queues are workers that are \
                 busy or blocked.",
        )
        .query("runtime_global_queue_depth{@all}", "{{instance}}")
        .wide(12),
        series(
            "Rests",
            "ops",
            "How often idle workers went to sleep. None under load is a \
                 worker at its limit; very many are wakes for next to nothing.",
        )
        .query(
            "sum by (instance) (rate(runtime_worker_parks_total{@all}[@rate])) / \
                 sum by (instance) (runtime_workers{@all})",
            "{{instance}}",
        )
        .wide(12),
    ]
}

fn process() -> Vec<Panel> {
    vec![
        series(
            "CPU",
            "none",
            "Cores that the process keeps busy. Compare it with its workers and its \
                 quota.",
        )
        .query(
            "rate(process_cpu_seconds_total{@all}[@rate])",
            "{{instance}}",
        ),
        series(
            "CPU a request",
            "s",
            "CPU time for each request that ended, all of them counted. A step at a \
                 deployment is a price.",
        )
        .query(
            "sum by (instance) (rate(process_cpu_seconds_total{@all}[@rate])) / sum by \
                 (instance) (rate(http_requests_total{@all}[@rate]))",
            "{{instance}}",
        ),
        series(
            "Memory",
            "bytes",
            "Resident memory. What grows with time, and not with traffic, is a leak.",
        )
        .query("process_resident_memory_bytes{@all}", "{{instance}}"),
        series(
            "Descriptors",
            "percentunit",
            "Share of the file descriptors that are in use. FileDescriptorsNearlyUsedUp \
                 is at 80 %.",
        )
        .query(
            "process_open_fds{@all} / process_max_fds{@all}",
            "{{instance}}",
        )
        .up_to(1.0)
        .from(0.8, "orange"),
        series(
            "Threads",
            "none",
            "Threads of the operating system: workers, the log's, the watchdog, and \
                 those of spawn_blocking.",
        )
        .query("process_threads{@all}", "{{instance}}"),
        series(
            "Age",
            "dtdurations",
            "Time since the process started. A saw is a service that restarts.",
        )
        .query("time() - process_start_time_seconds{@all}", "{{instance}}"),
    ]
}

fn tls() -> Vec<Panel> {
    vec![
        series(
            "Certificate left",
            "dtdurations",
            "Time until the certificate in force expires; nothing without TLS. \
                 CertificateExpiresSoon is at 14 days, CertificateExpiresNow at 2.",
        )
        .query(
            "tls_certificate_not_after_seconds{@all} - time()",
            "{{instance}}",
        )
        .wide(12)
        .below("red")
        .from(172_800.0, "orange")
        .from(1_209_600.0, "green"),
        series(
            "Reloads that failed",
            "none",
            "New files that could not be used, within an hour; nothing without TLS. The \
                 old certificate is still served.",
        )
        .query(
            "increase(tls_reload_failures_total{@all}[1h])",
            "{{instance}}",
        )
        .wide(12),
    ]
}
