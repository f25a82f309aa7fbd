//! CLI: runs of the command with arguments.

use super::*;

fn serving(name: &'static str) -> CommandRun {
    CommandRun {
        result: Start::Ready(Duration::ZERO),
        ..ran(name, 0, "", "")
    }
}

fn silent(name: &'static str) -> CommandRun {
    let listens_on = Vec::new();
    CommandRun {
        result: Start::Silent { listens_on },
        ..ran(name, 0, "", "")
    }
}

#[test]
fn help_and_version_print_and_end() {
    let cases = [
        ("CLI-1:help", "--help", "-h"),
        ("CLI-1:version", "--version", "-V"),
    ];
    for (id, long, short) in cases {
        let good = || ran(long, 0, "text", "");
        assert_eq!(
            judge_runs(id, [good(), ran(short, 0, "text", "")]),
            Some(true)
        );
        assert_eq!(
            judge_runs(id, [good(), ran(short, 0, "", "text")]),
            Some(false)
        );
        assert_eq!(
            judge_runs(id, [good(), ran(short, 2, "text", "")]),
            Some(false)
        );
        assert_eq!(judge_runs(id, [good(), serving(short)]), Some(false));
        assert_eq!(judge_runs(id, [good(), silent(short)]), None);
        assert_eq!(judge_runs(id, []), None);
    }
}

#[test]
fn unknown_argument_is_named_on_standard_error() {
    const NAME: &str = "--plimsoll-unknown";
    let judge = |id, run| judge_runs(id, [run]);
    let named = format!("{NAME} is not understood");
    assert_eq!(judge("CLI-1:unknown", ran(NAME, 2, "", &named)), Some(true));
    assert_eq!(
        judge("CLI-1:unknown", ran(NAME, 2, &named, "")),
        Some(false)
    );
    assert_eq!(
        judge("CLI-1:unknown", ran(NAME, 0, "", &named)),
        Some(false)
    );
    assert_eq!(judge("CLI-1:unknown", serving(NAME)), Some(false));
    assert_eq!(judge("CLI-1:status", ran(NAME, 64, "", &named)), Some(true));
    assert_eq!(judge("CLI-1:status", ran(NAME, 2, "", &named)), Some(false));
}

#[test]
fn healthcheck_has_the_status_of_the_service() {
    let judge = |id, run| judge_runs(id, [run]);
    assert_eq!(
        judge("CLI-2:healthy", ran("healthy", 0, "", "")),
        Some(true)
    );
    assert_eq!(
        judge("CLI-2:healthy", ran("healthy", 1, "", "")),
        Some(false)
    );
    let run = |code, err| ran("unhealthy", code, "", err);
    assert_eq!(judge("CLI-2:unhealthy", run(1, "refused")), Some(true));
    assert_eq!(judge("CLI-2:unhealthy", run(1, "")), Some(false));
    assert_eq!(judge("CLI-2:unhealthy", run(0, "refused")), Some(false));
}

#[test]
fn address_in_use_ends_the_start_with_its_name() {
    let judge = |run| judge_runs("CLI-3:address", [run]);
    let reason = "cannot listen on 127.0.0.1:81";
    assert_eq!(judge(ran("again", 1, "", reason)), Some(true));
    assert_eq!(judge(ran("again", 78, "", reason)), Some(false));
    assert_eq!(judge(ran("again", 1, reason, "in use")), Some(false));
    assert_eq!(judge(serving("again")), Some(false));
    assert_eq!(judge(silent("again")), None);
}
