//! The probes of all checks, one module for each group of the contract.

mod adm;
mod cfg;
mod cli;
mod h2;
mod http;
mod ip;
mod life;
mod log;
mod met;
mod paths;
mod rid;
mod sig;
mod srv;
mod tls;
mod trc;

use super::{
    judgement::{Fault, Judgement},
    probe::Probe,
};

/// All probes. Those of one scenario run in this order, passive ones first.
pub(super) fn all() -> impl Iterator<Item = &'static Probe> {
    let groups = [
        http::PROBES,
        rid::PROBES,
        log::PROBES,
        rid::RECORDED,
        paths::PROBES,
        met::PROBES,
        cli::PROBES,
        cfg::PROBES,
        adm::PROBES,
        srv::PROBES,
        life::PROBES,
        sig::PROBES,
    ];
    groups
        .into_iter()
        .chain(ip::ALL)
        .chain(tls::ALL)
        .chain(trc::ALL)
        .chain(h2::ALL)
        .flatten()
}

/// Returns the judgement for a service whose variables are unknown.
fn needs_command() -> Judgement {
    let reason = "the variables of a service at a URL are unknown; pass a command";
    Err(Fault::NotProven(reason.to_owned()))
}

#[cfg(test)]
mod tests;
