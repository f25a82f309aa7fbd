//! The measurements and their peers.

mod contests;
mod delay;
mod idle;
mod profile;
mod scrape;
mod size;
mod spread;
mod startup;

use crate::{Failure, build, options::Options, peer::Peer};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Keepalive,
    Concerns,
    Churn,
    Pipeline,
    Tls,
    Http2,
    Scale,
    Idle,
    Scrape,
    Delay,
    Spread,
    Startup,
    Size,
    Profile,
}

impl Mode {
    pub const ALL: [Self; 14] = [
        Self::Keepalive,
        Self::Concerns,
        Self::Churn,
        Self::Pipeline,
        Self::Tls,
        Self::Http2,
        Self::Scale,
        Self::Idle,
        Self::Scrape,
        Self::Delay,
        Self::Spread,
        Self::Startup,
        Self::Size,
        Self::Profile,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Keepalive => "keepalive",
            Self::Concerns => "concerns",
            Self::Churn => "churn",
            Self::Pipeline => "pipeline",
            Self::Tls => "tls",
            Self::Http2 => "http2",
            Self::Scale => "scale",
            Self::Idle => "idle",
            Self::Scrape => "scrape",
            Self::Delay => "delay",
            Self::Spread => "spread",
            Self::Startup => "startup",
            Self::Size => "size",
            Self::Profile => "profile",
        }
    }
}

/// Builds what the modes need.
pub fn build(modes: &[Mode], options: &Options) -> Result<(), Failure> {
    build::build(&packages(modes, options)?)?;
    if modes.contains(&Mode::Profile) {
        profile::build()?;
    }
    Ok(())
}

fn packages(modes: &[Mode], options: &Options) -> Result<Vec<&'static str>, Failure> {
    let mut peers: Vec<&Peer> = Vec::new();
    for &mode in modes {
        match mode {
            Mode::Idle => peers.extend(idle::PEERS),
            Mode::Scrape => peers.push(scrape::PEER),
            Mode::Delay => peers.push(delay::PEER),
            Mode::Spread => peers.extend(spread::PEERS),
            Mode::Startup => peers.extend(startup::PEERS),
            Mode::Size => peers.extend(size::PEERS),
            Mode::Profile => {}
            _ => {
                let contest = contests::of(mode, options)?;
                peers.extend(contest.contestants.iter().map(|it| it.peer));
            }
        }
    }
    peers.retain(|it| it.missing().is_none());
    let mut packages: Vec<_> = peers.iter().map(|it| it.package).collect();
    packages.sort_unstable();
    packages.dedup();
    Ok(packages)
}

pub fn run(mode: Mode, options: &Options) -> Result<(), Failure> {
    match mode {
        Mode::Idle => idle::run(options),
        Mode::Scrape => scrape::run(options),
        Mode::Delay => delay::run(options),
        Mode::Spread => spread::run(options),
        Mode::Startup => startup::run(options),
        Mode::Size => size::run(options),
        Mode::Profile => profile::run(options),
        _ => contests::of(mode, options)?.run(options),
    }
}
