//! Tests of deadlines, evictions and snapshots of a connection.

use tokio::time::advance;

use super::*;

const TIMEOUTS: ConnectionTimeouts = ConnectionTimeouts {
    head: Duration::from_secs(5),
    idle: Duration::from_secs(120),
    write: Duration::from_secs(30),
};

/// The time until the deadline, in seconds.
fn remaining(state: &ConnectionState) -> Option<f64> {
    let (deadline, _) = state.deadline(TIMEOUTS)?;
    Some((deadline - Instant::now()).as_secs_f64().round())
}

#[tokio::test(start_paused = true)]
async fn head_timeout_starts_at_open_or_first_byte() {
    let state = ConnectionState::new();
    advance(Duration::from_secs(2)).await;
    state.record_read(1);
    assert_eq!(
        remaining(&state),
        Some(3.0),
        "bytes of the first head do not extend its timeout"
    );
    state.request_began();
    assert_eq!(remaining(&state), None);
    advance(Duration::from_secs(60)).await;
    state.request_ended(Instant::now());
    assert_eq!(remaining(&state), Some(120.0));
    advance(Duration::from_secs(100)).await;
    state.record_read(1);
    assert_eq!(remaining(&state), Some(5.0));
    advance(Duration::from_secs(3)).await;
    state.record_read(1);
    assert_eq!(remaining(&state), Some(2.0), "later bytes do not extend it");
}

#[tokio::test]
async fn head_deadline_is_the_same_at_each_computation() {
    let state = ConnectionState::new();
    state.request_began();
    state.request_ended(Instant::now());
    state.record_read(1);
    let first = state.deadline(TIMEOUTS);
    assert_eq!(state.deadline(TIMEOUTS), first);
}

#[tokio::test(start_paused = true)]
async fn write_timeout_runs_while_request_is_in_progress() {
    let state = ConnectionState::new();
    state.request_began();
    state.record_write(false);
    advance(Duration::from_secs(10)).await;
    state.record_write(false);
    assert_eq!(remaining(&state), Some(20.0));
    state.record_write(true);
    assert_eq!(remaining(&state), None);
}

#[tokio::test]
async fn stalled_write_precedes_head_and_idle() {
    #[track_caller]
    fn check_stalled(state: &ConnectionState, otherwise: Option<WaitReason>) {
        let reason = || state.deadline(TIMEOUTS).map(|(_, reason)| reason);
        assert_eq!(reason(), otherwise);
        state.record_write(false);
        assert_eq!(reason(), Some(WaitReason::Write));
        state.record_write(true);
        assert_eq!(reason(), otherwise);
    }
    let state = ConnectionState::new();
    check_stalled(&state, Some(WaitReason::Head));
    state.request_began();
    check_stalled(&state, None);
    state.request_ended(Instant::now());
    check_stalled(&state, Some(WaitReason::Idle));

    let multiplexed = ConnectionState::new();
    multiplexed.set_multiplexed();
    multiplexed.stream_began();
    check_stalled(&multiplexed, None);
    multiplexed.set_head(HeadProgress::Begun);
    check_stalled(&multiplexed, Some(WaitReason::Head));
    multiplexed.stream_ended();
    check_stalled(&multiplexed, Some(WaitReason::Head));
    multiplexed.set_head(HeadProgress::Complete);
    check_stalled(&multiplexed, Some(WaitReason::Idle));
}

#[tokio::test(start_paused = true)]
async fn connection_without_request_is_evicted_before_idle_one() {
    let idle = ConnectionState::new();
    idle.request_began();
    idle.request_ended(Instant::now());
    advance(Duration::from_secs(1)).await;
    let without_request = ConnectionState::new();
    let busy = ConnectionState::new();
    busy.request_began();
    assert!(without_request.eviction_order() < idle.eviction_order());
    assert_eq!(busy.evict(), None);
    assert_eq!(without_request.evict(), Some(WaitReason::Head));
    assert_eq!(without_request.evict(), None, "evicted once");
    assert_eq!(idle.evict(), Some(WaitReason::Idle));
}

/// Checks the wait, and since how many seconds it lasts.
#[track_caller]
fn check_wait(state: &ConnectionState, wait: Wait, secs: Option<u64>) {
    let now = Instant::now();
    let snapshot = state.snapshot(now);
    let since = snapshot.since.map(|since| (now - since).as_secs());
    assert_eq!((snapshot.wait, since), (wait, secs));
}

async fn pass(secs: u64) {
    advance(Duration::from_secs(secs)).await;
}

/// ADM-16
#[tokio::test(start_paused = true)]
async fn waits_before_http_count_from_the_accept() {
    let state = ConnectionState::new();
    pass(1).await;
    check_wait(&state, Wait::RequestHead, Some(1));
    state.observed().set_stage(Stage::ProxyHeader);
    check_wait(&state, Wait::ProxyHeader, Some(1));
    state.observed().set_stage(Stage::TlsHandshake);
    pass(1).await;
    check_wait(&state, Wait::TlsHandshake, Some(2));
    assert_eq!(state.snapshot(Instant::now()).is_http2, None);
    state.observed().set_stage(Stage::Http);
    check_wait(&state, Wait::RequestHead, Some(2));
    assert_eq!(state.snapshot(Instant::now()).is_http2, Some(false));
}

/// ADM-16
#[tokio::test(start_paused = true)]
async fn waits_follow_an_http1_request() {
    let state = ConnectionState::new();
    state.observed().set_stage(Stage::Http);
    pass(1).await;
    let body = state.body_began(true);
    state.request_began();
    check_wait(&state, Wait::RequestBody, None);
    assert_eq!(state.snapshot(Instant::now()).requests, 1);
    state.body_read(body);
    check_wait(&state, Wait::Handler, None);
    state.record_write(false);
    pass(3).await;
    check_wait(&state, Wait::Client, Some(3));
    state.record_write(true);
    state.request_ended(Instant::now());
    pass(4).await;
    check_wait(&state, Wait::NextRequest, Some(4));
    assert_eq!(state.snapshot(Instant::now()).requests, 0);
    state.set_upgraded(true);
    check_wait(&state, Wait::Upgraded, None);
    state.set_upgraded(false);
    state.observed().set_stage(Stage::LingeringClose);
    check_wait(&state, Wait::Close, None);
}

/// ADM-16
#[tokio::test(start_paused = true)]
async fn snapshot_leaves_the_deadline_of_a_head() {
    let state = ConnectionState::new();
    state.observed().set_stage(Stage::Http);
    state.request_began();
    state.request_ended(Instant::now());
    pass(5).await;
    state.record_read(1);
    check_wait(&state, Wait::RequestHead, Some(0));
    pass(1).await;
    check_wait(&state, Wait::RequestHead, Some(0));
    let began = state.activity();
    assert_eq!(began, Some(Activity::Head(Instant::now())));
    pass(1).await;
    check_wait(&state, Wait::RequestHead, Some(1));
    assert_eq!(state.activity(), began);
}

/// ADM-16
#[tokio::test(start_paused = true)]
async fn waits_follow_http2_streams() {
    let state = ConnectionState::new();
    state.set_multiplexed();
    state.observed().set_stage(Stage::Http);
    pass(1).await;
    check_wait(&state, Wait::RequestHead, Some(1));
    for _ in 0..2 {
        state.stream_began();
        state.request_began();
    }
    check_wait(&state, Wait::Handler, None);
    let snapshot = state.snapshot(Instant::now());
    assert_eq!((snapshot.is_http2, snapshot.requests), (Some(true), 2));
    state.set_head(HeadProgress::Begun);
    pass(2).await;
    check_wait(&state, Wait::RequestHead, Some(2));
    state.set_head(HeadProgress::Complete);
    state.request_ended(Instant::now());
    state.request_ended(Instant::now());
    check_wait(&state, Wait::Client, None);
    state.stream_ended();
    state.stream_ended();
    pass(1).await;
    check_wait(&state, Wait::NextRequest, Some(1));
}
