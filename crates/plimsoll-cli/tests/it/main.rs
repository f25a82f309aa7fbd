//! Runs `plimsoll verify` against services that keep the contract, and services that break it.

mod command;
mod saboteurs;
mod subjects;
mod support;
