//! The cost of a request: instructions, locked instructions, allocations and system calls of the
//! reference service and of `axum::serve` alone, over HTTP/1 and HTTP/2.
//!
//! These figures do not depend on other load of the machine. They may exceed those of
//! `tests/cost.txt` by at most 3 %. The test uses release binaries:
//!
//! ```text
//! cargo build --release -p rust-axum-app
//! cargo build --release -p harness --example plain
//! PLIMSOLL_COST=1 cargo test -p plimsoll --test cost -- --nocapture
//! ```
//!
//! `PLIMSOLL_COST=record` writes the file again. The test needs `valgrind`, `strace` and `pkill`.

#[path = "cost/callgrind.rs"]
mod callgrind;
#[path = "cost/client.rs"]
mod client;
#[path = "cost/subject.rs"]
mod subject;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use self::subject::{
    BARE, BARE_HTTP2, CHASSIS, CHASSIS_HTTP2, CHASSIS_PIPELINED, CHASSIS_STREAMS, CONTROLS, Subject,
};

/// The tolerated increase over the recorded figure.
const TOLERANCE: f64 = 0.03;

/// The minimal cost of a recorded function, in instructions per request.
const MENTIONED: f64 = 60.0;

/// Figures by name. Those of single functions show what has changed, and are not checked.
type Figures = BTreeMap<String, f64>;

#[expect(
    clippy::disallowed_methods,
    reason = "the setting of the test run, not of a service"
)]
fn asked() -> Option<String> {
    std::env::var("PLIMSOLL_COST").ok()
}

#[test]
fn request_cost_equals_the_record() {
    let Some(asked) = asked() else {
        println!("LEFT OUT: the cost of a request (PLIMSOLL_COST=1, see tests/cost.rs)");
        return;
    };
    let seen = measure();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cost.txt");
    if asked == "record" {
        fs::write(&file, text(&seen)).expect("the record can be written");
        return;
    }
    let recorded = parse(&fs::read_to_string(&file).expect("there is a record"));
    print!("{}", compared(&seen, &recorded));
    // One send and one receive; others depend on the number of requests per wake-up.
    assert!(seen["system calls for input and output, chassis"] <= 2.01);
    // A read and two writes for sixteen responses: hyper handles fifteen in a turn.
    assert!(seen["system calls for input and output, chassis, 16 pipelined"] <= 0.25);
    // A read and a write for ten responses. A turn that another process interrupts has more.
    assert!(seen["system calls for input and output, chassis, 10 streams"] <= 0.5);
    let dearer: Vec<_> = seen
        .iter()
        .filter(|(name, _)| is_judged(name))
        .filter(|(name, figure)| {
            let recorded = recorded.get(*name);
            recorded.is_none_or(|recorded| **figure > recorded * (1.0 + TOLERANCE))
        })
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(
        dearer.is_empty(),
        "{dearer:?} are dearer than recorded in {}, see above; if that is worth it: PLIMSOLL_COST=record",
        file.display()
    );
}

/// Returns whether a figure is checked against the record. Those of single functions only show what
/// has changed.
fn is_judged(name: &str) -> bool {
    ["instructions", "allocations", "locked instructions"]
        .iter()
        .any(|figure| name.starts_with(figure))
}

fn measure() -> Figures {
    let mut figures = Figures::new();
    for subject in [&BARE, &CHASSIS, &CONTROLS, &BARE_HTTP2, &CHASSIS_HTTP2] {
        let counted = callgrind::count(subject);
        let name = subject.name;
        figures.insert(format!("instructions, {name}"), counted.instructions);
        figures.insert(format!("allocations, {name}"), counted.allocations);
        figures.insert(format!("locked instructions, {name}"), counted.locked);
        if subject.name == CHASSIS.name {
            let mentioned = |figure: &f64| *figure >= MENTIONED;
            let functions = counted.functions.into_iter();
            figures.extend(functions.filter(|(_, figure)| mentioned(figure)));
        }
    }
    for what in ["instructions", "allocations"] {
        let above = figures[&format!("{what}, chassis")] - figures[&format!("{what}, bare")];
        figures.insert(format!("{what} above bare"), above);
    }
    for subject in [&CHASSIS, &CHASSIS_PIPELINED, &CHASSIS_STREAMS] {
        let (io, others) = system_calls(subject);
        let name = subject.name;
        figures.insert(format!("system calls for input and output, {name}"), io);
        figures.insert(format!("system calls for all else, {name}"), others);
    }
    figures
}

/// Returns the system calls for input and output, and all others.
fn system_calls(subject: &Subject) -> (f64, f64) {
    let calls = subject::system_calls(subject);
    let is_io = |name: &str| matches!(name, "recvfrom" | "sendto" | "writev" | "sendmsg" | "read");
    let sum = |io: bool| -> f64 {
        let of = calls.iter().filter(|(name, _)| is_io(name) == io);
        of.map(|(_, count)| count).sum()
    };
    (sum(true), sum(false))
}

fn text(figures: &Figures) -> String {
    let mut text = String::from("# Made by tests/cost.rs: figures for each request.\n");
    for (name, figure) in figures {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{figure:.1} {name}");
    }
    text
}

fn parse(text: &str) -> Figures {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (figure, name) = line.split_once(' ').expect("a figure and a name");
            (name.to_owned(), figure.parse().expect("a figure"))
        })
        .collect()
}

/// Lists all checked figures, and the functions that became more expensive.
fn compared(seen: &Figures, recorded: &Figures) -> String {
    let mut text = String::new();
    for (name, figure) in seen {
        let before = recorded.get(name).copied().unwrap_or_default();
        let is_total = is_judged(name) || name.starts_with("system calls");
        if is_total || *figure > before + MENTIONED / 3.0 {
            let _ = writeln!(text, "figure: {name}: {figure:.1}, recorded {before:.1}");
        }
    }
    text
}

#[test]
fn written_record_reads_back_unchanged() {
    let figures = Figures::from([("a, b".to_owned(), 1.5), ("c::d<e f>".to_owned(), 70.0)]);
    assert_eq!(parse(&text(&figures)), figures);
}

#[test]
fn more_expensive_function_is_reported() {
    let recorded = Figures::from([("a::b".to_owned(), 100.0)]);
    let seen = Figures::from([("a::b".to_owned(), 200.0)]);
    assert!(compared(&seen, &recorded).contains("a::b: 200.0, recorded 100.0"));
    assert!(!compared(&recorded, &recorded).contains("a::b"));
}
