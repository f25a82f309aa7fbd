//! What the tests of all applications share.

mod answers;
mod load;
mod requests;
mod subject;

pub use self::{
    answers::assert_same,
    load::{Load, Tally, Target, Work},
    requests::{get, request},
    subject::{Subject, end_load, end_under_load},
};

/// The two binaries of an application.
macro_rules! binaries {
    ($name:literal) => {
        $crate::support::Subject::new(
            $name,
            env!(concat!("CARGO_BIN_EXE_", $name, "-plain")),
            env!(concat!("CARGO_BIN_EXE_", $name, "-moved")),
        )
    };
}
pub(crate) use binaries;
