//! `/admin/connections`: the open connections of the main listener, by what they wait for (contract
//! ADM-16).

use std::net::SocketAddr;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{answer::millis, controls::Controls};
use crate::connection::{ConnectionSnapshot, Wait};

/// The most connections in the view.
const MAX_CONNECTIONS: usize = 100;

pub(super) fn view(controls: &Controls) -> Value {
    let now = Instant::now();
    let mut summary = Summary::default();
    let connections = &controls.connections;
    connections.visit(|state| summary.add(state.snapshot(now)));
    let total = summary.total;
    let waiting = Wait::ALL.map(|wait| (wait.as_str().to_owned(), summary.count(wait).into()));
    let oldest = summary.oldest();
    json!({
        // The same for all connections of a listener.
        "tls": controls.config.tls.is_some(),
        "total": total,
        "truncated": oldest.len() < total,
        "waiting": Map::from_iter(waiting),
        "connections": oldest.iter().map(|it| connection(it, now)).collect::<Vec<_>>(),
    })
}

fn connection(connection: &ConnectionSnapshot, now: Instant) -> Value {
    let canonical = |peer: SocketAddr| SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let protocol = |is_http2| match is_http2 {
        true => "h2",
        false => "http/1.1",
    };
    json!({
        "peer": connection.peer.map(|peer| canonical(peer).to_string()),
        "protocol": connection.is_http2.map(protocol),
        "ageMs": millis(now - connection.opened),
        "waitsFor": connection.wait.as_str(),
        "waitedMs": connection.since.map(|since| millis(now - since)),
        "requests": connection.requests,
    })
}

/// The number of connections by what they wait for, and the oldest of them.
#[derive(Default)]
struct Summary {
    total: usize,
    counts: [usize; Wait::ALL.len()],
    /// At most twice [`MAX_CONNECTIONS`].
    oldest: Vec<ConnectionSnapshot>,
}

impl Summary {
    fn add(&mut self, connection: ConnectionSnapshot) {
        self.total += 1;
        self.counts[connection.wait as usize] += 1;
        if self.oldest.len() == 2 * MAX_CONNECTIONS {
            self.oldest
                .select_nth_unstable_by_key(MAX_CONNECTIONS, |it| it.opened);
            self.oldest.truncate(MAX_CONNECTIONS);
        }
        self.oldest.push(connection);
    }

    fn count(&self, wait: Wait) -> usize {
        self.counts[wait as usize]
    }

    /// Returns the oldest connections, the oldest first.
    fn oldest(mut self) -> Vec<ConnectionSnapshot> {
        self.oldest.sort_by_key(|it| it.opened);
        self.oldest.truncate(MAX_CONNECTIONS);
        self.oldest
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::connection::ConnectionState;

    /// ADM-16
    #[tokio::test]
    async fn oldest_connections_are_kept_in_any_order() {
        let now = Instant::now();
        let template = ConnectionState::new().snapshot(now);
        for count in [1, MAX_CONNECTIONS, 5 * MAX_CONNECTIONS + 1] {
            let mut summary = Summary::default();
            for index in 0..count {
                // 7 has no common divisor with the counts, so that each age is there once.
                let age = Duration::from_secs((index * 7 % count) as u64);
                let opened = now + age;
                summary.add(ConnectionSnapshot { opened, ..template });
            }
            assert_eq!(summary.total, count);
            assert_eq!(summary.count(Wait::RequestHead), count);
            let oldest = summary.oldest();
            let ages = oldest.iter().map(|it| (it.opened - now).as_secs());
            let expected = 0..count.min(MAX_CONNECTIONS) as u64;
            assert!(ages.eq(expected), "{count}");
        }
    }

    #[test]
    fn counts_are_in_the_order_of_the_list() {
        for (index, wait) in Wait::ALL.into_iter().enumerate() {
            assert_eq!(wait as usize, index);
        }
    }
}
