//! Runs the command against services that keep the contract, and services that break it.

mod command;
mod configuration;
#[cfg(feature = "console")]
mod console;
mod noise;
mod saboteurs;
mod shell;
mod subjects;
mod support;
mod terminal;
mod top;
mod top_screen;
mod url;
