//! Real proxies and clients, attackers, and overload.
//!
//! By default the scale is small enough for every CI run, and only exact results are checked: no
//! failed request, each id handled once, no leak. `PLIMSOLL_FULL=1` runs the full scale and checks
//! the figures of the contract, also times. `PLIMSOLL_PLAIN=1` directs the same attacks at the
//! example `plain`, and checks nothing. `docs/reliability.md` has the command and the figures.

#![expect(clippy::unwrap_used, reason = "a failure of a helper ends its test")]

#[path = "it/support.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests in `it`; only a part is used here"
)]
mod support;

#[path = "peers/accept.rs"]
mod accept;
#[path = "peers/burst.rs"]
mod burst;
#[path = "peers/client.rs"]
mod client;
#[path = "peers/early_sigterm.rs"]
mod early_sigterm;
#[path = "peers/fresh_client.rs"]
mod fresh_client;
#[path = "peers/h2load.rs"]
mod h2load;
#[path = "peers/haproxy.rs"]
mod haproxy;
#[path = "peers/idle.rs"]
mod idle;
#[path = "peers/inactive_clients.rs"]
mod inactive_clients;
#[path = "peers/lost_network.rs"]
mod lost_network;
#[path = "peers/nginx.rs"]
mod nginx;
#[path = "peers/overload.rs"]
mod overload;
#[path = "peers/probes.rs"]
mod probes;
#[path = "peers/proxied.rs"]
mod proxied;
#[path = "peers/setup.rs"]
mod setup;
#[path = "peers/shared_dependency.rs"]
mod shared_dependency;
#[path = "peers/slowhttptest.rs"]
mod slowhttptest;
#[path = "peers/testssl.rs"]
mod testssl;
#[path = "peers/unread_responses.rs"]
mod unread_responses;
#[path = "peers/unread_uploads.rs"]
mod unread_uploads;
