//! Real peers in front of the service, attackers beside it, and what it does when there is too much.
//!
//! By default everything is small enough for every run of CI, and only what must be exact is judged:
//! no failed request, each id handled once, nothing left behind. `PLIMSOLL_FULL=1` gives the figures
//! that the contract is judged by, the times among them; `PLIMSOLL_PLAIN=1` lets the same attacks
//! loose on the example `plain`, and judges nothing. `docs/reliability.md` has the command and the
//! figures.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

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
#[path = "peers/crowd.rs"]
mod crowd;
#[path = "peers/dead.rs"]
mod dead;
#[path = "peers/fresh.rs"]
mod fresh;
#[path = "peers/h2load.rs"]
mod h2load;
#[path = "peers/haproxy.rs"]
mod haproxy;
#[path = "peers/idle.rs"]
mod idle;
#[path = "peers/nginx.rs"]
mod nginx;
#[path = "peers/overload.rs"]
mod overload;
#[path = "peers/proxied.rs"]
mod proxied;
#[path = "peers/readers.rs"]
mod readers;
#[path = "peers/rig.rs"]
mod rig;
#[path = "peers/slowhttptest.rs"]
mod slowhttptest;
#[path = "peers/starts.rs"]
mod starts;
#[path = "peers/testssl.rs"]
mod testssl;
#[path = "peers/unread.rs"]
mod unread;
