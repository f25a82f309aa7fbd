//! Instructions and allocations, as callgrind counts them on the thread that answers.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    process::Command,
};

use super::subject::{Subject, differences, per_request};

/// What a request takes of its thread.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// But for those of the allocator.
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
    /// Instructions by function, without those of the functions that it calls.
    pub(crate) functions: BTreeMap<String, f64>,
}

/// The functions by which memory is taken.
const ALLOCATORS: [&str; 4] = ["malloc", "calloc", "realloc", "posix_memalign"];

/// Whether a function is one of glibc's allocator. What they take depends on the addresses that there
/// happen to be, so they are left out: allocations are counted.
fn is_of_the_allocator(name: &str) -> bool {
    const BEGINNINGS: [&str; 6] = ["_int_", "malloc", "unlink_chunk", "sys", "tcache", "_mid_"];
    matches!(name, "calloc" | "realloc" | "free" | "posix_memalign")
        || BEGINNINGS.iter().any(|it| name.starts_with(it))
}

pub(crate) fn count(subject: &Subject) -> Counted {
    let tool = |folder: &Path| {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--separate-threads=yes", "--quiet"]);
        let file = folder.join("thread");
        valgrind.arg(format!("--callgrind-out-file={}", file.display()));
        valgrind
    };
    per_request(subject, tool, busiest, |long, short, requests| Counted {
        instructions: (long.instructions - short.instructions) / requests,
        allocations: (long.allocations - short.allocations) / requests,
        functions: differences(long.functions, &short.functions, requests),
    })
}

/// The thread that has done the most: each has a file of its own.
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

/// Reads callgrind's format: names stand where a function first occurs, and have numbers from then on.
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
            // A line of the source and a cost; behind a call it is the cost of the called.
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok());
            if !std::mem::take(&mut of_the_called) {
                let cost = cost.unwrap_or(0.0);
                if is_of_the_allocator(function) {
                    continue;
                }
                counted.instructions += cost;
                *counted.functions.entry(function.to_owned()).or_default() += cost;
            }
        }
    }
    counted
}

/// The name that `(number) name` gives, or that its number was given before.
fn named<'a>(names: &mut HashMap<&'a str, &'a str>, text: &'a str) -> &'a str {
    let (number, name) = text.split_once(' ').unwrap_or((text, ""));
    if !name.is_empty() {
        names.insert(number, name);
    }
    names.get(number).copied().unwrap_or_default()
}

#[test]
fn costs_exclude_callees_and_calls_are_counted() {
    let text =
        "fn=(1) a::b\n10 5\n+2 7\ncfn=(2) malloc\ncalls=3 0\n* 100\n\nfn=(2)\n0 100\nfn=(1)\n* 1\n";
    let counted = parse(text);
    assert_eq!(counted.functions["a::b"], 13.0);
    assert_eq!((counted.instructions, counted.allocations), (13.0, 3.0));
}
