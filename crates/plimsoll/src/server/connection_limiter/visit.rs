//! A walk over all open connections, for an operator.

use std::sync::Arc;

use super::ConnectionLimiter;
use crate::connection::ConnectionState;

/// The maximum number of connections for which one lock is held. New connections wait that long.
const BATCH: usize = 256;

impl ConnectionLimiter {
    /// Calls `visit` with the state of each open connection, without the lock.
    ///
    /// A connection that opens or closes meanwhile may be left out. None is visited twice.
    pub(crate) fn visit(&self, mut visit: impl FnMut(&ConnectionState)) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut next = 0;
        while self.copy_batch(next, &mut batch) {
            next += BATCH;
            for state in batch.drain(..) {
                visit(&state);
            }
        }
    }

    /// Copies the states in the slots from `first` on. Returns false after the last slot.
    fn copy_batch(&self, first: usize, batch: &mut Vec<Arc<ConnectionState>>) -> bool {
        let slots = self.lock();
        let Some(rest) = slots.connections.get(first..) else {
            return false;
        };
        batch.extend(rest.iter().take(BATCH).flatten().cloned());
        !rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{build_info::BuildInfo, metrics::Registry};

    fn limiter() -> Arc<ConnectionLimiter> {
        let registry = Registry::new(BuildInfo::new("test", "1", "now"), 1, Vec::new());
        ConnectionLimiter::new(usize::MAX, registry)
    }

    /// ADM-16
    #[tokio::test]
    async fn each_open_connection_is_visited_once() {
        let limiter = limiter();
        for count in [0, 1, BATCH, 2 * BATCH + 1] {
            let state = || Arc::new(ConnectionState::new());
            let states: Vec<_> = (0..count).map(|_| state()).collect();
            let mut permits: Vec<_> = states.iter().map(|state| limiter.acquire(state)).collect();
            permits.truncate(count.div_ceil(2));
            let mut visited = Vec::new();
            limiter.visit(|state| visited.push(std::ptr::from_ref(state)));
            let open = &states[..permits.len()];
            let mut expected: Vec<_> = open.iter().map(Arc::as_ptr).collect();
            visited.sort_unstable();
            expected.sort_unstable();
            assert_eq!(visited, expected);
        }
    }

    /// ADM-16
    #[tokio::test]
    async fn connections_open_and_close_during_a_visit() {
        let limiter = limiter();
        let state = Arc::new(ConnectionState::new());
        let mut first = limiter.acquire(&state);
        let mut visits = 0;
        limiter.visit(|_| {
            visits += 1;
            first = limiter.acquire(&state);
        });
        assert_eq!(visits, 1);
    }
}
