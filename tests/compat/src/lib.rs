//! Compiles and runs the code of `docs/moving.md`, where all crates that it names are at hand.

#[doc = include_str!("../../../docs/moving.md")]
pub struct Guide;
