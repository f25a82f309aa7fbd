//! Reads every setting once, at the start, and stops with all mistakes at once.
//!
//! ```text
//! Environment ──▶ Reader ──▶ Config (chassis) + Settings (service)     what the code uses
//!  process         │
//!  profile         └──────▶ definitions ──▶ help, table, sample        what people read
//!                           readings    ──▶ report
//!                           problems    ──▶ ConfigErrors, exit status 78
//!                           notes       ──▶ log records at the start
//! ```
//!
//! A setting is defined where it is read, in one expression: name, aliases, default, type,
//! meaning. There is no second list that could say something else.
//! The settings of a service go the same way as those of the chassis and get the same errors,
//! help and report.
//!
//! # Example
//!
//! ```
//! use plimsoll::config::{self, Environment, Invalid, Reader, Secret, Settings};
//!
//! struct AppSettings {
//!     greeting: String,
//!     pool_size: u32,
//!     api_token: Option<Secret>,
//! }
//!
//! impl Settings for AppSettings {
//!     fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
//!         let greeting = from.setting("GREETING", "What `/hello` says.").default("hello").read();
//!         let pool_size = from.setting("POOL_SIZE", "Connections in the pool.").default("10").read();
//!         let api_token = from.setting("API_TOKEN", "Token of the upstream.").read_optional();
//!         Ok(Self { greeting: greeting?, pool_size: pool_size?, api_token: api_token? })
//!     }
//! }
//!
//! let environment = Environment::from_pairs([("PORT", "9090"), ("POOL_SIZE", "20")]);
//! let loaded = config::load::<AppSettings>(&plimsoll::build_info!(), &environment)?;
//! assert_eq!(loaded.config.listen.to_string(), "0.0.0.0:9090");
//! assert_eq!(loaded.settings.pool_size, 20);
//! # Ok::<(), config::ConfigErrors>(())
//! ```
//!
//! # Invariants
//!
//! * Only [`Environment::from_process`] reads the environment.
//! * No text of a secret gets into an error, a note, a report or a `Debug`.
//! * Nothing here writes anywhere: every output is a value for the caller to write.

mod chassis;
mod definition;
mod env_file;
mod file;
mod memory;
mod notes;
mod problem;
mod reader;
mod render;
mod service_manager;
mod source;
mod standard;
mod value;

#[cfg(feature = "otlp")]
pub(crate) use self::chassis::{Sampler, Traces};
#[cfg(feature = "tls")]
pub(crate) use self::file::{FileError, MAX_FILE, read_file};
pub use self::{
    chassis::{Config, MissingSecretKey, TlsFiles},
    definition::{DefaultValue, Definition, Ignored, Owner, SettingOrigin},
    notes::{Notes, Typo},
    problem::{ConfigError, ConfigErrors},
    reader::{Invalid, Reader, Setting},
    render::{ConfigReport, Definitions},
    source::Environment,
    value::{
        ByteSize, DurationOrOff, ForwardedHeader, FromSetting, InfraEndpoints, Level, ListenAddr,
        LogFormat, LogLevels, ParseError, Secret, TrustedProxies, duration_text, one_of, within,
    },
};
pub(crate) use self::{
    memory::BodyMemory,
    service_manager::{ActivationSockets, ServiceManagerEnv},
};
use crate::BuildInfo;

/// The settings of a service, which read themselves.
///
/// `()` is for services that have none. See the [module](self) for an example.
pub trait Settings: Sized + Send + Sync + 'static {
    /// Reads the settings.
    ///
    /// All of them come before the first `?`, and none depends on the value of another: only so
    /// is every mistake reported, and every setting documented.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when a setting is; the reader has recorded what is wrong.
    fn read(from: &mut Reader<'_>) -> Result<Self, Invalid>;
}

impl Settings for () {
    fn read(_from: &mut Reader<'_>) -> Result<Self, Invalid> {
        Ok(())
    }
}

/// A configuration without a mistake, and what there is to tell about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loaded<S> {
    /// The settings of the chassis.
    pub config: Config,
    /// The settings of the service.
    pub settings: S,
    /// What to log at the start.
    pub notes: Notes,
    /// The effective settings, for `--check-config`.
    pub report: ConfigReport,
    /// What the settings are, for help and docs.
    pub definitions: Definitions,
}

/// Reads and checks all settings, those of the chassis and those of the service.
///
/// # Errors
///
/// [`ConfigErrors`] with every mistake: print it on stderr, bind nothing, and end with
/// [`ConfigErrors::EXIT_STATUS`].
pub fn load<S: Settings>(
    build: &BuildInfo,
    environment: &Environment,
) -> Result<Loaded<S>, ConfigErrors> {
    let mut reader = Reader::new(environment);
    let config = Config::read(&mut reader, build);
    reader.serve_service();
    let settings = S::read(&mut reader);
    let outcome = reader.finish();
    match (config, settings) {
        // A service could drop an `Invalid` and go on; the problem is recorded all the same.
        (Ok(config), Ok(settings)) if outcome.problems.is_empty() => Ok(Loaded {
            config,
            settings,
            notes: outcome.notes,
            definitions: Definitions::new(&outcome.readings, outcome.ignored),
            report: ConfigReport::new(outcome.readings),
        }),
        _ => Err(ConfigErrors::new(outcome.problems, outcome.notes.typos)),
    }
}

/// Says what the settings are, whatever the environment; for help and docs.
#[must_use]
pub fn definitions<S: Settings>(build: &BuildInfo) -> Definitions {
    definitions_in::<S>(build, &Environment::default())
}

/// The same, with the defaults of a program.
pub(crate) fn definitions_in<S: Settings>(
    build: &BuildInfo,
    environment: &Environment,
) -> Definitions {
    let mut reader = Reader::new(environment);
    // Required settings are missing here, of course; they have been asked for, and that is all.
    let _ = Config::read(&mut reader, build);
    reader.serve_service();
    let _ = S::read(&mut reader);
    let outcome = reader.finish();
    Definitions::new(&outcome.readings, outcome.ignored)
}

#[cfg(test)]
mod tests;
