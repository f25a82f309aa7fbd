//! The order of the top-level modules of the library, and a check of imports against it.
//!
//! A module uses the modules before it in [`ORDER`], so that modules form no cycle.
//! The check covers `use` lines and paths in code, without tests and documentation.
//! Re-exports are followed, so that an import counts for the file that has the item.

mod graph;
mod parse;

use std::collections::{BTreeMap, BTreeSet};

use self::graph::Edge;
use crate::files::File;

/// The library whose modules are checked.
const SOURCES: &str = "crates/plimsoll/src/";

/// The top-level modules, lowest first.
const ORDER: &[&str] = &[
    "error",
    "sync",
    "build_info",
    "component_name",
    "late_timer",
    "jitter",
    "certificate",
    "mask",
    "config",
    "trace",
    "request",
    "telemetry",
    "metrics",
    "otlp",
    "lifecycle",
    "shutdown",
    "background",
    "check",
    "control",
    "connection",
    "edge",
    "server",
    "outgoing",
    "app",
    "testing",
    "fuzzing",
    "xtask_support",
    "lib",
];

/// The most files of a cycle. Parent and children of one concept may use each other.
const MAX_CYCLE: usize = 4;

/// Checks the library. Returns the findings, with path and line.
pub(crate) fn check(files: &[File]) -> Vec<(String, usize, String)> {
    let sources = files.iter().filter_map(|file| {
        let path = file.path.strip_prefix(SOURCES)?;
        Some((path.to_owned(), file.text.clone()))
    });
    let findings = findings(&sources.collect());
    findings
        .into_iter()
        .map(|(path, line, text)| (format!("{SOURCES}{path}"), line, text))
        .collect()
}

type Finding = (String, usize, String);

fn findings(sources: &BTreeMap<String, String>) -> Vec<Finding> {
    let edges = graph::edges(sources);
    let mut findings = unknown_modules(sources);
    findings.extend(edges.iter().filter_map(upward));

    let between_files = edges
        .iter()
        .map(|edge| (edge.from.as_str(), edge.to.as_str()));
    for cycle in graph::cycles(between_files) {
        let first = cycle.first().copied().unwrap_or_default();
        if cycle.len() > MAX_CYCLE {
            let inside = edges.iter().filter(|edge| {
                cycle.contains(edge.from.as_str()) && cycle.contains(edge.to.as_str())
            });
            let lines: Vec<String> = inside
                .map(|edge| format!("\n    {}:{} -> {}", edge.from, edge.line, edge.to))
                .collect();
            let count = cycle.len();
            let text = format!(
                "cycle of {count} files, more than {MAX_CYCLE}:{}",
                lines.concat()
            );
            findings.push((first.to_owned(), 1, text));
        }
    }
    findings
}

fn unknown_modules(sources: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut known = BTreeSet::new();
    let files = sources.keys().filter(|path| known.insert(module_of(path)));
    files
        .filter(|path| rank(module_of(path)).is_none())
        .map(|path| {
            let text = format!("the module {:?} is not in ORDER", module_of(path));
            (path.clone(), 1, text)
        })
        .collect()
}

fn upward(edge: &Edge) -> Option<Finding> {
    let (from, to) = (module_of(&edge.from), module_of(&edge.to));
    let is_upward = rank(to)? > rank(from)?;
    is_upward.then(|| {
        let text = format!("upward import: {from} uses {to} ({})", edge.to);
        (edge.from.clone(), edge.line, text)
    })
}

/// Returns the top-level module of a file.
fn module_of(path: &str) -> &str {
    let module = path.split('/').next().unwrap_or_default();
    module.trim_end_matches(".rs")
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let findings = findings(&files.collect());
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for ((path, line, text), expected) in findings.iter().zip(expected) {
            let text = format!("{path}:{line}: {text}");
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn upward_import_is_found() {
        let files = [
            ("lib.rs", "mod config;\nmod edge;\n"),
            ("config.rs", "//! Text.\nuse crate::edge::Layer;\n"),
            ("edge.rs", "pub struct Layer;\n"),
        ];
        let expected = "config.rs:2: upward import: config uses edge (edge.rs)";
        check(&files, &[expected]);
    }

    #[test]
    fn downward_import_is_accepted() {
        let files = [
            ("lib.rs", "mod config;\nmod edge;\nuse self::edge::Layer;\n"),
            ("config.rs", "pub struct Config;\n"),
            ("edge.rs", "use crate::config::Config;\npub struct Layer;\n"),
        ];
        check(&files, &[]);
    }

    #[test]
    fn cycle_of_five_files_is_found() {
        let parent = "mod a; mod b; mod c; mod d;\nuse self::a::A;\npub struct E;\n";
        let files = |last| {
            [
                ("lib.rs", "mod edge;\n"),
                ("edge.rs", parent),
                ("edge/a.rs", "use super::b::B;\npub struct A;\n"),
                ("edge/b.rs", "use super::c::C;\npub struct B;\n"),
                ("edge/c.rs", last),
                ("edge/d.rs", "use super::E;\npub struct D;\n"),
            ]
        };
        check(&files("use super::E;\npub struct C;\n"), &[]);
        let expected = "edge.rs:1: cycle of 5 files, more than 4";
        check(&files("use super::d::D;\npub struct C;\n"), &[expected]);
    }

    #[test]
    fn unknown_module_is_found() {
        let files = [("lib.rs", "mod other;\n"), ("other.rs", "")];
        check(
            &files,
            &["other.rs:1: the module \"other\" is not in ORDER"],
        );
    }
}
