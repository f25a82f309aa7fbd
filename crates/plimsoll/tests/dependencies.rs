//! Health checks of a real Postgres and a real Redis, which each test starts and makes fail.
//!
//! A server is stopped, paused, restarted, or behind a firewall. The example `with_database` checks
//! Postgres, and the fixture checks Redis. The number of state changes is exact. Times are printed
//! as figures, and not asserted.

#![expect(clippy::unwrap_used, reason = "a failure of a helper ends its test")]

#[path = "it/support.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests in `it`; only a part is used here"
)]
mod support;

#[path = "dependencies/firewall.rs"]
mod firewall;
#[path = "dependencies/outage.rs"]
mod outage;
#[path = "dependencies/postgres.rs"]
mod postgres;
#[path = "with_database/server.rs"]
mod postgres_server;
#[path = "dependencies/redis.rs"]
mod redis;
#[path = "dependencies/redis_server.rs"]
mod redis_server;
#[path = "peers/setup.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of peers; only a part is used here"
)]
mod setup;
