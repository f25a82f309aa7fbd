//! The application: its builder, and the lifecycle of its process.
//!
//! # Order of steps
//!
//! 1. Sockets of the service manager are taken, before any other descriptor is opened.
//! 2. Signal handlers are installed, before anything that takes time.
//! 3. Settings are read, before any address is bound or file is opened.
//! 4. The log is started, before any other part that logs.
//! 5. The main address is bound. Connections wait in its queue until set-up has ended.
//! 6. Set-up runs. Then connections are accepted.
//!
//! The shutdown releases them in reverse order. `app/run.rs` contains these steps.
//!
//! This is the only module that depends on all others.

mod admin;
mod admin_command;
mod builder;
mod check;
mod cli;
mod connect;
mod exit;
mod handle;
mod healthcheck;
mod monitor;
mod prepared;
mod process;
mod router;
mod run;
mod running;
mod startup;
mod subscriber;
#[cfg_attr(not(feature = "tls"), path = "app/tls/disabled.rs")]
mod tls;
mod workers;

#[cfg(feature = "testing")]
pub(crate) use self::{admin::InProcessAdmin, running::Running};
pub use self::{
    builder::App,
    connect::{Connect, ConnectError},
    exit::{Exit, SetupError, StartError},
    handle::Handle,
    prepared::Prepared,
};
