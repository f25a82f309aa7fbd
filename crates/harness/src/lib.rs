//! Test support of this workspace, seen from outside a service.
//!
//! * [`Process`] runs a service as a child process, where signals, exit statuses and standard
//!   output are real.
//! * [`Connection`] sends raw bytes over one HTTP/1.1 connection and parses the responses.
//! * [`Scrape`] is a strictly parsed scrape of `/metrics`, re-exported from `plimsoll::testing`.
//! * [`LogBuffer`] captures the log of a service in the test process.
//! * [`request()`] formats a request, and [`access_record`] waits for its access record.
//! * [`eventually`] polls a condition with a deadline.
//! * [`Scratch`] is a folder for the files of a test, and [`Signal`] a signal to any process.
//! * [`skip()`] reports a test that this machine cannot run.
//! * [`example()`] finds the services under test: `fixture`, `programs` and `plain` of this crate,
//!   and the examples of `plimsoll`. [`reference_service`] is the service of the contract.
//!
//! An in-process service is `plimsoll::testing::TestService`.

mod connection;
mod example;
mod field_names;
mod log_buffer;
mod output_lines;
mod process;
mod request;
mod scratch;
mod signal;
mod skip;
mod wait;

pub use plimsoll::testing::{MetricType, Scrape};

pub use self::{
    connection::{Connection, Response},
    example::{build_info, example, reference_service},
    field_names::field_names,
    log_buffer::LogBuffer,
    process::{ExitedProcess, Process, ReservedPort},
    request::{access_record, request},
    scratch::Scratch,
    signal::Signal,
    skip::skip,
    wait::{eventually, eventually_within, timed},
};
