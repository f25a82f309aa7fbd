//! Tests of the ledger of changes.

use std::io;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::*;
use crate::{
    BuildInfo,
    config::{LogFormat, LogLevels},
    telemetry::Output,
};

fn ledger() -> Ledger {
    let levels = LogLevels::all(Level::Critical);
    let output = Output::to(io::sink());
    let log = Log::start(output, LogFormat::Json, levels, 1).expect("it starts");
    let registry = Registry::new(BuildInfo::new("s", "1", "t"), 1, Vec::new());
    Ledger::new(registry, log)
}

fn subject() -> Subject {
    (AdminAction::Readiness, String::new())
}

fn request(value: &str) -> ChangeRequest {
    ChangeRequest {
        subject: subject(),
        value: value.to_owned(),
        was: "true".to_owned(),
        ttl: Some(Duration::from_secs(60)),
        reason: String::new(),
        by: "uid 0".to_owned(),
    }
}

/// The values that were applied.
type Applied = Arc<Mutex<Vec<Option<String>>>>;

fn begin(ledger: &Ledger, applied: &Applied, value: &str) -> u64 {
    let applied = Arc::clone(applied);
    let apply = move |value: Option<&str>| lock(&applied).push(value.map(str::to_owned));
    ledger.begin(request(value), Box::new(apply)).0.id
}

/// ADM-9
#[test]
fn earlier_expiry_leaves_a_later_change() {
    let (ledger, applied) = (ledger(), Applied::default());
    let first = begin(&ledger, &applied, "a");
    let second = begin(&ledger, &applied, "b");
    ledger.expire(&subject(), first);
    assert_eq!(ledger.active(&subject()).map(|it| it.id), Some(second));
    ledger.expire(&subject(), second);
    ledger.expire(&subject(), second);
    assert!(ledger.active(&subject()).is_none());
    let values = [Some("a".to_owned()), Some("b".to_owned()), None];
    assert_eq!(*lock(&applied), values);
    let (active, past) = ledger.list();
    let ends = past.iter().filter_map(|it| it.end.as_ref());
    let ends: Vec<_> = ends.map(|end| (end.kind, end.by.as_deref())).collect();
    assert!(active.is_empty());
    let replaced = (ChangeEnd::Replaced, Some("uid 0"));
    assert_eq!(ends, [(ChangeEnd::Expired, None), replaced]);
}

/// ADM-9: timers do not outlive their changes, so repeated changes keep no memory.
#[tokio::test(start_paused = true)]
async fn timer_completes_when_its_change_ends() {
    let ledger = ledger();
    let begin = || ledger.begin(request("a"), Box::new(|_| {})).1;
    let (replaced, expiring) = (begin(), begin());
    assert_eq!(replaced.now_or_never(), Some(()));
    let began = Instant::now();
    expiring.await;
    assert!(began.elapsed() >= Duration::from_secs(60));
    assert!(ledger.active(&subject()).is_none());
    let deleted = begin();
    assert!(ledger.delete(&subject(), "uid 0"));
    assert_eq!(deleted.now_or_never(), Some(()));
}

/// ADM-9
#[test]
fn deleted_change_is_ended_once() {
    let (ledger, applied) = (ledger(), Applied::default());
    let delete = || ledger.delete(&subject(), "uid 1");
    assert!(!delete());
    let id = begin(&ledger, &applied, "a");
    assert!(delete() && !delete());
    ledger.expire(&subject(), id);
    assert_eq!(lock(&applied).len(), 2);
    let (_, past) = ledger.list();
    let end = past.first().and_then(|it| it.end.clone());
    assert!(end.is_some_and(|end| end.by.as_deref() == Some("uid 1")));
}

/// ADM-10, ADM-16
#[test]
fn list_of_past_changes_is_bounded() {
    let (ledger, applied) = (ledger(), Applied::default());
    for _ in 0..1000 {
        begin(&ledger, &applied, "a");
    }
    let (active, past) = ledger.list();
    assert_eq!((active.len(), past.len()), (1, LISTED));
    assert_eq!(past.first().map(|it| it.id), Some(999));
}
