//! A waker that does not wake the task of a connection for what the same poll does anyway.
//!
//! A stream that is polled by the task of its connection wakes the connection, because it has a response
//! to send. The connection is polled once more in the same turn, and sends all responses. If the wake-up
//! reached the task, it would poll the connection a third time for nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Wake, Waker},
};

/// A wake-up wakes the task.
const WAITING: u8 = 0;
/// The connection is being polled, or is polled again later in the turn.
const POLLING: u8 = 1;
/// The task was woken, or is woken at the end of the turn.
const WOKEN: u8 = 2;

/// The waker of a connection, with the waker of its task.
#[derive(Debug)]
pub(super) struct TurnWaker {
    shared: Arc<Shared>,
    waker: Waker,
}

#[derive(Debug)]
struct Shared {
    task: Waker,
    state: AtomicU8,
}

impl TurnWaker {
    pub(super) fn new(task: &Waker) -> Self {
        let shared = Arc::new(Shared {
            task: task.clone(),
            state: AtomicU8::new(WAITING),
        });
        Self {
            waker: Waker::from(Arc::clone(&shared)),
            shared,
        }
    }

    /// Whether it wakes this task.
    pub(super) fn is_of(&self, task: &Waker) -> bool {
        self.shared.task.will_wake(task)
    }

    /// Forgets earlier wake-ups, because the connection is polled now.
    pub(super) fn begin_poll(&self) -> Context<'_> {
        self.shared.state.swap(POLLING, Ordering::AcqRel);
        self.context()
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Ends the turn. A wake-up since the last begin of a poll now wakes the task.
    pub(super) fn end_turn(&self) {
        let state = &self.shared.state;
        let ended = state.compare_exchange(POLLING, WAITING, Ordering::AcqRel, Ordering::Acquire);
        if ended.is_err() {
            self.shared.task.wake_by_ref();
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == WAITING {
            self.task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns a waker, and a function that returns how often it has woken its task.
    fn waker() -> (TurnWaker, impl Fn() -> usize) {
        let task = Arc::<Task>::default();
        let waker = TurnWaker::new(&Waker::from(Arc::clone(&task)));
        (waker, move || task.0.load(Ordering::Relaxed))
    }

    #[test]
    fn wake_up_between_two_turns_wakes_the_task_once() {
        let (turn, woken) = waker();
        turn.waker.wake_by_ref();
        assert_eq!(woken(), 1);
        turn.waker.wake_by_ref();
        assert_eq!(woken(), 1);
        turn.begin_poll();
        turn.end_turn();
        assert_eq!(woken(), 1);
        turn.waker.wake_by_ref();
        assert_eq!(woken(), 2);
    }

    #[test]
    fn wake_up_before_the_last_poll_of_a_turn_is_forgotten() {
        let (turn, woken) = waker();
        turn.begin_poll();
        turn.waker.wake_by_ref();
        turn.begin_poll();
        turn.end_turn();
        assert_eq!(woken(), 0);
    }

    #[test]
    fn wake_up_in_the_last_poll_of_a_turn_wakes_the_task() {
        let (turn, woken) = waker();
        turn.begin_poll();
        turn.begin_poll();
        turn.waker.wake_by_ref();
        assert_eq!(woken(), 0);
        turn.end_turn();
        assert_eq!(woken(), 1);
    }

    #[test]
    fn waker_of_another_task_is_recognised() {
        let task = Waker::from(Arc::<Task>::default());
        let turn = TurnWaker::new(&task);
        assert!(turn.is_of(&task));
        assert!(!turn.is_of(Waker::noop()));
    }
}
