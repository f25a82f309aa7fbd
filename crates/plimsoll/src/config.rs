//! Settings: read once, at the start, with all errors reported together.
//!
//! ```text
//! Environment ──▶ Reader ──▶ Config (chassis) + Settings (service)
//!  process         │
//!  profile         └──────▶ definitions       ──▶ help, table, sample
//!                           resolved settings ──▶ report
//!                           problems          ──▶ ConfigErrors, exit status 78
//!                           notes             ──▶ log records at the start
//! ```
//!
//! A setting is defined where it is read, in one expression: name, aliases, default, type,
//! meaning. There is no second list that could differ.
//! The settings of a service are read in the same way as those of the chassis, with the same errors,
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
//!         let greeting = from.setting("GREETING", "Text of `/hello`.").default("hello").read();
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
//! * No error, note, report or `Debug` contains the text of a secret.
//! * Nothing here prints or logs: every output is a value for the caller.

mod definition;
mod env_file;
mod file;
mod memory;
mod notes;
mod problem;
mod reader;
mod render;
mod service_manager;
mod settings;
mod source;
mod standard;
mod text;
mod value;

/// For the generated documents of this repository; no stable interface.
#[doc(hidden)]
pub use self::definition::{DefaultValue, Definition, Ignored, Owner};
#[cfg(feature = "tls")]
pub(crate) use self::file::{FileError, MAX_FILE, read_file};
#[cfg(feature = "otlp")]
pub(crate) use self::settings::{Sampler, Traces};
pub use self::{
    definition::SettingOrigin,
    problem::{ConfigError, ConfigErrors},
    reader::{Invalid, Reader, Setting},
    render::{ConfigReport, Definitions},
    settings::{Config, MissingSecretKey, TlsFiles},
    source::Environment,
    value::{
        ByteSize, DurationOrOff, ForwardedHeader, FromSetting, InfraEndpoints, Level, ListenAddr,
        LogFormat, LogLevels, ParseError, Secret, TrustedProxies, duration_text, one_of, within,
    },
};
pub(crate) use self::{
    memory::BodyMemory,
    notes::Notes,
    render::{accepted, profile_value, wrapped},
    service_manager::{ActivationSockets, ServiceManagerEnv},
};
use crate::BuildInfo;

/// The settings of a service.
///
/// `()` is for services without settings. See the [module](self) for an example.
pub trait Settings: Sized + Send + Sync + 'static {
    /// Reads the settings.
    ///
    /// All reads must come before the first `?`, and no read may depend on the value of another
    /// setting. Otherwise some errors are not reported and some settings not documented.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if a setting is invalid. The reader has recorded the error.
    fn read(from: &mut Reader<'_>) -> Result<Self, Invalid>;
}

impl Settings for () {
    fn read(_from: &mut Reader<'_>) -> Result<Self, Invalid> {
        Ok(())
    }
}

/// A valid configuration, with its report and definitions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loaded<S> {
    /// The settings of the chassis.
    pub config: Config,
    /// The settings of the service.
    pub settings: S,
    /// Findings to log at the start.
    pub(crate) notes: Notes,
    /// The effective settings with their origins, for `--check-config`.
    pub report: ConfigReport,
    /// The definitions of all settings, for help and docs.
    pub definitions: Definitions,
}

/// Reads and checks all settings, those of the chassis and those of the service.
///
/// # Errors
///
/// [`ConfigErrors`] with all errors. The process should print it on stderr, bind no listener, and
/// exit with [`ConfigErrors::EXIT_STATUS`].
pub fn load<S: Settings>(
    build: &BuildInfo,
    environment: &Environment,
) -> Result<Loaded<S>, ConfigErrors> {
    let mut reader = Reader::new(environment);
    let config = Config::read(&mut reader, build);
    reader.begin_service();
    let settings = S::read(&mut reader);
    let outcome = reader.finish();
    match (config, settings) {
        // A service could drop an `Invalid` and continue. The recorded error still counts.
        (Ok(config), Ok(settings)) if outcome.problems.is_empty() => Ok(Loaded {
            config,
            settings,
            notes: outcome.notes,
            definitions: Definitions::new(&outcome.resolved, outcome.ignored),
            report: ConfigReport::new(outcome.resolved),
        }),
        _ => Err(ConfigErrors::new(outcome.problems, outcome.notes.typos)),
    }
}

/// Returns the definitions of all settings, for help and docs. The environment is not read.
#[must_use]
pub fn definitions<S: Settings>(build: &BuildInfo) -> Definitions {
    definitions_in::<S>(build, &Environment::default())
}

/// Returns the definitions of all settings, with the defaults of a program.
pub(crate) fn definitions_in<S: Settings>(
    build: &BuildInfo,
    environment: &Environment,
) -> Definitions {
    let mut reader = Reader::new(environment);
    // Errors do not matter here: a read records its definition, even if a value is missing.
    let _ = Config::read(&mut reader, build);
    reader.begin_service();
    let _ = S::read(&mut reader);
    let outcome = reader.finish();
    Definitions::new(&outcome.resolved, outcome.ignored)
}

#[cfg(test)]
mod tests;
