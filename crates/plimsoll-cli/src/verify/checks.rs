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

use super::probe::Probe;

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
        log::AT_THE_END,
    ];
    groups
        .into_iter()
        .chain(ip::ALL)
        .chain(tls::ALL)
        .chain(trc::ALL)
        .chain(h2::ALL)
        .flatten()
}

#[cfg(test)]
mod tests;
