//! Instructions, locked instructions and allocations of the worker thread, as callgrind counts them.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    process::Command,
};

use super::subject::{Subject, differences, per_request};

/// The cost of a request on its thread.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Without those of the allocator.
    pub(crate) instructions: f64,
    /// Instructions with exclusive access to a cache line, without those of the allocator.
    pub(crate) locked: f64,
    pub(crate) allocations: f64,
    /// Instructions of each function, without those of its callees.
    pub(crate) functions: BTreeMap<String, f64>,
}

/// The functions that allocate memory.
const ALLOCATORS: [&str; 4] = ["malloc", "calloc", "realloc", "posix_memalign"];

/// Returns whether a function is part of glibc's allocator. Its cost depends on addresses, so it is
/// excluded; allocations are counted.
fn is_of_the_allocator(name: &str) -> bool {
    const BEGINNINGS: [&str; 6] = ["_int_", "malloc", "unlink_chunk", "sys", "tcache", "_mid_"];
    matches!(name, "calloc" | "realloc" | "free" | "posix_memalign")
        || BEGINNINGS.iter().any(|it| name.starts_with(it))
}

pub(crate) fn count(subject: &Subject) -> Counted {
    let tool = |folder: &Path| {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--separate-threads=yes", "--quiet"]);
        valgrind.arg("--collect-bus=yes");
        let file = folder.join("thread");
        valgrind.arg(format!("--callgrind-out-file={}", file.display()));
        valgrind
    };
    per_request(subject, tool, busiest, |long, short, requests| Counted {
        instructions: (long.instructions - short.instructions) / requests,
        locked: (long.locked - short.locked) / requests,
        allocations: (long.allocations - short.allocations) / requests,
        functions: differences(long.functions, &short.functions, requests),
    })
}

/// Returns the busiest thread: each thread has its own file.
fn busiest(folder: &Path) -> Counted {
    let files = fs::read_dir(folder).expect("callgrind has written");
    let threads = files.map(|file| {
        let text = fs::read_to_string(file.expect("it can be read").path());
        parse(&text.expect("it is text"))
    });
    threads
        .max_by(|one, other| one.instructions.total_cmp(&other.instructions))
        .expect("there is a thread")
}

/// Parses callgrind's format. A name is defined at its first occurrence, and later referenced by
/// number.
fn parse(text: &str) -> Counted {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut counted = Counted::default();
    let (mut function, mut called) = ("", "");
    let mut of_the_called = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("fn=") {
            function = named(&mut names, rest);
        } else if let Some(rest) = line.strip_prefix("cfn=") {
            called = named(&mut names, rest);
        } else if let Some(rest) = line.strip_prefix("calls=") {
            of_the_called = true;
            if ALLOCATORS.contains(&called) {
                let calls = rest.split(' ').next().and_then(|calls| calls.parse().ok());
                counted.allocations += calls.unwrap_or(0.0);
            }
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            // A source line and costs; after a call they are those of the callee. Zeros at the end are
            // left out.
            if !std::mem::take(&mut of_the_called) {
                let mut costs = line
                    .split(' ')
                    .skip(1)
                    .map(|cost| cost.parse().unwrap_or(0.0));
                let (cost, locked) = (costs.next().unwrap_or(0.0), costs.next().unwrap_or(0.0));
                if is_of_the_allocator(function) {
                    continue;
                }
                counted.instructions += cost;
                counted.locked += locked;
                *counted.functions.entry(function.to_owned()).or_default() += cost;
            }
        }
    }
    counted
}

/// Returns the name in `(number) name`, or the name defined earlier for this number.
fn named<'a>(names: &mut HashMap<&'a str, &'a str>, text: &'a str) -> &'a str {
    let (number, name) = text.split_once(' ').unwrap_or((text, ""));
    if !name.is_empty() {
        names.insert(number, name);
    }
    names.get(number).copied().unwrap_or_default()
}

#[test]
fn costs_exclude_callees_and_calls_are_counted() {
    let text = "fn=(1) a::b\n10 5\n+2 7 2\ncfn=(2) malloc\ncalls=3 0\n* 100\n\nfn=(2)\n0 100\nfn=(1)\n* 1\n";
    let counted = parse(text);
    assert_eq!(counted.functions["a::b"], 13.0);
    assert_eq!((counted.instructions, counted.allocations), (13.0, 3.0));
    assert_eq!(counted.locked, 2.0);
}
