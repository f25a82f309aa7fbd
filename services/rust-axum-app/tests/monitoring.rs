//! Checks `deploy/prometheus`, `deploy/alertmanager`, `deploy/grafana` and `docs/runbooks` against the
//! code.
//!
//! The names in these files exist, and each alert has a runbook, tests and a receiver. `promtool` and
//! `amtool` check the syntax and the conditions of alerts (`.ci/run`, `deploy/monitoring-test`).

#[path = "../../../xtask/src/docs/promql.rs"]
mod promql;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use harness::Process;
use serde_json::Value;

use self::promql::{Known, Rule, rules_of};

/// The name of the job in the files of `deploy/`.
const JOB: &str = env!("CARGO_PKG_NAME");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[track_caller]
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the contents of the files in a folder, by name.
#[track_caller]
fn files(folder: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(root().join(folder)).expect("the folder exists");
    let names = entries.map(|entry| {
        let name = entry.expect("the folder can be read").file_name();
        name.into_string().expect("file names are UTF-8")
    });
    names
        .map(|name| {
            let text = read(&format!("{folder}/{name}"));
            (name, text)
        })
        .collect()
}

fn rules() -> Vec<Rule> {
    let files = files("deploy/prometheus/rules");
    let rules: Vec<Rule> = files.values().flat_map(|file| rules_of(file)).collect();
    assert!(rules.iter().any(|rule| rule.is_alert), "there are alerts");
    rules
}

fn alerts() -> BTreeMap<String, Rule> {
    let alerts = rules().into_iter().filter(|rule| rule.is_alert);
    alerts.map(|rule| (rule.name.clone(), rule)).collect()
}

/// Returns the table of metrics. `xtask docs --check` compares it with the code.
fn metrics_table() -> String {
    read("docs/metrics.md")
}

/// Returns the metrics of the code and of the recording rules.
fn known() -> Known {
    let mut known = Known::of_code(&metrics_table());
    for file in files("deploy/prometheus/rules").values() {
        known.add_recorded(file);
    }
    known
}

#[test]
fn rules_use_existing_metrics_and_labels() {
    let known = known();
    let mut complaints = Vec::new();
    for rule in rules() {
        let found = known.complaints(&rule.expression, "");
        complaints.extend(found.iter().map(|error| format!("{}: {error}", rule.name)));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn dashboards_use_existing_metrics_and_labels() {
    let known = known();
    let mut complaints = Vec::new();
    let mut count = 0;
    for (name, file) in files("deploy/grafana/dashboards") {
        let dashboard: Value = serde_json::from_str(&file).expect("a dashboard is JSON");
        let panels = dashboard["panels"].as_array().expect("it has panels");
        let targets = panels
            .iter()
            .flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
        let annotations = dashboard["annotations"]["list"].as_array();
        let annotations = annotations.into_iter().flatten().map(|it| &it["target"]);
        for query in targets.chain(annotations) {
            let expression = query["expr"].as_str().expect("a query has an expression");
            let legend = query["legendFormat"].as_str().unwrap_or_default();
            count += 1;
            let found = known.complaints(expression, legend);
            complaints.extend(
                found
                    .iter()
                    .map(|error| format!("{name}: {expression}: {error}")),
            );
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(count > 50, "only {count} queries were found");
}

#[test]
fn every_metric_is_in_a_dashboard_or_a_rule() {
    /// Metrics without a dashboard or rule, with the reason.
    const UNUSED: [&str; 1] = [
        // Reserved address space is no measure of memory use.
        "process_virtual_memory_bytes",
    ];
    let mut texts: String = files("deploy/grafana/dashboards").into_values().collect();
    texts.extend(rules().into_iter().map(|rule| rule.expression));
    let table = metrics_table();
    let names = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = names.filter_map(|rest| rest.split('`').next());
    let missing: Vec<_> = names
        .filter(|name| !texts.contains(name) && !UNUSED.contains(name))
        .collect();
    assert!(
        missing.is_empty(),
        "in no dashboard and no rule: {missing:?}"
    );
}

#[test]
fn alerts_and_runbooks_match() {
    let runbooks = files("docs/runbooks");
    let alerts = alerts();
    let expected: BTreeSet<String> = alerts.keys().map(|name| format!("{name}.md")).collect();
    let actual: BTreeSet<String> = runbooks.keys().cloned().collect();
    assert_eq!(actual, expected);
    for (name, alert) in &alerts {
        let runbook = format!("docs/runbooks/{name}.md");
        let links_runbook =
            |line: &String| line.starts_with("runbook_url: ") && line.ends_with(&runbook);
        assert!(alert.rest.iter().any(links_runbook), "{name}: {runbook}");
        let has = |key: &str| alert.rest.iter().any(|line| line.starts_with(key));
        assert!(has("summary: ") && has("description: "), "{name}");
        let severity = ["critical", "warning"]
            .into_iter()
            .find(|severity| alert.rest.contains(&format!("severity: {severity}")))
            .unwrap_or_else(|| panic!("{name}: no severity"));
        let runbook = &runbooks[&format!("{name}.md")];
        let head = format!("# {name}\n\nSeverity: {severity}.\n");
        assert!(runbook.starts_with(&head), "{name}: its runbook's head");
        let sections: Vec<_> = runbook
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .collect();
        let expected = ["Meaning", "Diagnosis", "Likely causes", "Actions"];
        assert_eq!(sections, expected, "{name}");
    }
}

#[test]
fn runbook_links_resolve() {
    for (name, text) in files("docs/runbooks") {
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let text = fs::read_to_string(root().join("docs/runbooks").join(file));
            let text = text.unwrap_or_else(|error| panic!("{name}: {link}: {error}"));
            let mut headings = text.lines().filter_map(|line| line.strip_prefix("## "));
            let exists = heading.is_empty()
                || headings.any(|it| it.to_lowercase().replace(' ', "-") == heading);
            assert!(exists, "{name}: {link}");
        }
    }
}

#[test]
fn runbooks_name_existing_metrics_and_panels() {
    /// Pages of the Prometheus user interface.
    const PROMETHEUS_PAGES: [&str; 2] = ["Status", "Targets"];
    let known: String = metrics_table();
    let code = source_of(&root().join("crates/plimsoll/src"));
    let titles: String = files("deploy/grafana/dashboards").into_values().collect();
    for (name, text) in files("docs/runbooks") {
        let prose: String = text.split("```").step_by(2).collect();
        for word in prose.split('`').skip(1).step_by(2) {
            let metric = word.split('{').next().unwrap_or_default();
            let is_name = |it: &str| {
                it.contains('_') && it.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            };
            // A metric, or the name of a log record, a state or a label value in the code.
            if is_name(metric) {
                let exists = known.contains(&format!("`{metric}`"))
                    || code.contains(&format!("\"{metric}\""));
                assert!(exists, "{name}: {word}");
            }
        }
        // *Dashboard → Row*
        for place in prose.split('*').skip(1).step_by(2) {
            for title in place.split(" → ") {
                let exists = titles.contains(&format!("\"title\": \"{title}\""));
                assert!(
                    exists || PROMETHEUS_PAGES.contains(&title),
                    "{name}: {title}"
                );
            }
        }
    }
}

#[test]
fn incident_commands_name_existing_admin_paths() {
    let code = source_of(&root().join("crates/plimsoll/src/app/admin"));
    let mut documents = files("docs/runbooks");
    let incident = fs::read_to_string(root().join("docs/incident.md"));
    let incident = incident.expect("the document can be read");
    assert!(incident.contains("ADMIN /admin/requests"));
    documents.insert("incident.md".to_owned(), incident);
    for (name, text) in documents {
        for rest in text.split("/admin/").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '/');
            let path = rest[..end.unwrap_or(rest.len())].trim_end_matches('/');
            let exists = path.is_empty() || code.contains(&format!("\"/admin/{path}\""));
            assert!(exists, "{name}: /admin/{path}");
        }
    }
}

/// Returns all source text below a folder.
fn source_of(folder: &Path) -> String {
    let mut source = String::new();
    for entry in fs::read_dir(folder).expect("source can be read") {
        let path = entry.expect("source can be read").path();
        if path.is_dir() {
            source += &source_of(&path);
        } else {
            source += &fs::read_to_string(&path).expect("source can be read");
        }
    }
    source
}

/// Returns the rest of each line that begins with `prefix`.
fn names_after<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    let lines = text.lines().map(str::trim);
    lines.filter_map(|line| line.strip_prefix(prefix)).collect()
}

#[test]
fn every_alert_has_a_firing_and_a_silent_test() {
    let (mut fires, mut is_silent) = (BTreeSet::new(), BTreeSet::new());
    for file in files("deploy/prometheus/tests").values() {
        for case in file.split("- alertname: ").skip(1) {
            let name = case.lines().next().unwrap_or_default().trim().to_owned();
            if case.contains("exp_alerts: []") {
                is_silent.insert(name);
            } else {
                assert!(case.contains("exp_labels:"), "{name}: what is expected?");
                fires.insert(name);
            }
        }
    }
    let expected: BTreeSet<String> = alerts().into_keys().collect();
    assert_eq!(fires, expected);
    assert_eq!(is_silent, expected);
}

#[test]
fn alertmanager_names_existing_alerts() {
    let alerts = alerts();
    let config = read("deploy/alertmanager/alertmanager.yml");
    let matchers = config.split("alertname =").skip(1);
    let lists = matchers.filter_map(|rest| rest.split(']').next());
    let names: Vec<&str> = lists
        .flat_map(|list| list.split(['|', '"', '~', ' ']))
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(alerts.contains_key(name), "{name}");
    }
}

#[test]
fn job_name_is_the_same_in_all_files() {
    let config = read("deploy/prometheus/prometheus.yml");
    assert!(names_after(&config, "- job_name: ").contains(&JOB));
    let slo = read("deploy/prometheus/rules/slo.yml");
    let objectives = names_after(&slo, "job: ");
    assert_eq!(objectives, [JOB, JOB], "each objective is for the job");
    for rule in rules() {
        let named = rule.expression.split("job=\"").skip(1);
        for name in named.filter_map(|rest| rest.split('"').next()) {
            assert_eq!(name, JOB, "{}", rule.name);
        }
    }
}

#[test]
fn excluded_probe_paths_match_the_endpoints() {
    let mut sources = files("deploy/prometheus/rules");
    sources.extend(files("deploy/grafana/dashboards"));
    let mut lists = BTreeSet::new();
    for source in sources.values() {
        let patterns = source.split("path!~").skip(1);
        lists.extend(patterns.filter_map(|rest| {
            let inside = rest.split_once("/(")?.1;
            Some(inside.split_once(')')?.0.to_owned())
        }));
    }
    assert_eq!(lists.len(), 1, "one list everywhere: {lists:?}");
    let service = Process::start(env!("CARGO_BIN_EXE_rust-axum-app"), &[]);
    for path in lists.iter().flat_map(|list| list.split('|')) {
        assert_eq!(service.get(&format!("/{path}")).status, 200, "{path}");
    }
    // Each path in the list has a series of its own: none is an unknown path.
    let metrics = service.get("/metrics").body;
    let metrics = String::from_utf8_lossy(&metrics);
    assert!(!metrics.contains("__unmatched__"), "{metrics}");
}

#[test]
fn slow_request_limit_is_a_histogram_bound() {
    let recording = read("deploy/prometheus/rules/recording.yml");
    let bounds: BTreeSet<_> = recording
        .split("le=")
        .skip(1)
        .filter_map(|rest| rest.split('"').nth(1))
        .collect();
    assert_eq!(bounds.len(), 1, "{bounds:?}");
    let service = Process::start(env!("CARGO_BIN_EXE_rust-axum-app"), &[]);
    drop(service.get("/"));
    let metrics = service.get("/metrics").body;
    let metrics = String::from_utf8_lossy(&metrics);
    for bound in bounds {
        assert!(metrics.contains(&format!("le=\"{bound}\"")), "{bound}");
    }
}
