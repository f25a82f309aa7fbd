//! Name, version and build time of the service, the revision of its sources, and its compiler.
//!
//! `/info`, every access record and the metric `build_info` contain these values:
//!
//! | value        | first           | then (build argument) | else                        |
//! |--------------|-----------------|-----------------------|-----------------------------|
//! | `service`    | `SERVICE_NAME`  | `SERVICE_NAME`        | name of the Cargo package    |
//! | `version`    | `VERSION`       | `VERSION`             | version of the Cargo package |
//! | `build_time` | `BUILD_TIME`    | `BUILD_TIME`          | `unknown`                    |
//!
//! The first column is the environment of the running process, the second that of the compiler.
//!
//! Only `/info` contains two more values: `revision` from `REVISION`, and `rustc_version` from
//! `RUSTC_VERSION`. They come only from the environment of the compiler, and have no default. A build
//! script sets them with `cargo::rustc-env`.
//!
//! # Macro
//!
//! `env!` returns name and version of the crate in which it is expanded. A function of this library
//! would return those of the library. So [`build_info!`](crate::build_info!) expands to the lookups
//! in the crate of the caller.
//!
//! # Invariants
//!
//! * An empty build argument counts as unset. `docker build --build-arg VERSION=` and an `ARG`
//!   without a default both set an empty variable, and neither means an empty version.
//! * Nothing is read here at run time: [`crate::config`] reads and checks the variables.

use std::borrow::Cow;

/// Name, version and build time of a service.
///
/// Created by [`build_info!`](crate::build_info!). The environment overrides the values when the
/// configuration is loaded.
///
/// ```
/// let build = plimsoll::build_info!();
/// assert_eq!(build.build_time(), "unknown");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildInfo {
    service: Cow<'static, str>,
    version: Cow<'static, str>,
    build_time: Cow<'static, str>,
    revision: Option<&'static str>,
    rustc_version: Option<&'static str>,
}

impl BuildInfo {
    /// Build time of a binary that was built without one.
    const UNKNOWN_BUILD_TIME: &'static str = "unknown";

    /// Creates a `BuildInfo` from the three values.
    ///
    /// For tests, and for builds with values other than Cargo's. Other code uses
    /// [`build_info!`](crate::build_info!).
    #[must_use]
    pub const fn new(
        service: &'static str,
        version: &'static str,
        build_time: &'static str,
    ) -> Self {
        Self {
            service: Cow::Borrowed(service),
            version: Cow::Borrowed(version),
            build_time: Cow::Borrowed(build_time),
            revision: None,
            rustc_version: None,
        }
    }

    /// Returns the name of the service, as in the banner and the label `service`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Returns the version of the service.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the build time in the form that the build has set, or `unknown`.
    #[must_use]
    pub fn build_time(&self) -> &str {
        &self.build_time
    }

    /// Returns the revision of the sources, such as a Git commit, if the build has set `REVISION`.
    #[must_use]
    pub const fn revision(&self) -> Option<&str> {
        self.revision
    }

    /// Returns the version of the compiler, if the build has set `RUSTC_VERSION`.
    #[must_use]
    pub const fn rustc_version(&self) -> Option<&str> {
        self.rustc_version
    }

    /// Replaces the values that the environment of the process can override.
    pub(crate) fn with_strings(
        &self,
        service: String,
        version: String,
        build_time: String,
    ) -> Self {
        Self {
            service: service.into(),
            version: version.into(),
            build_time: build_time.into(),
            ..*self
        }
    }

    /// The expansion of [`build_info!`](crate::build_info!); not for direct use.
    #[doc(hidden)]
    #[must_use]
    pub const fn captured(
        service: (Option<&'static str>, &'static str),
        version: (Option<&'static str>, &'static str),
        build_time: Option<&'static str>,
        revision: Option<&'static str>,
        rustc_version: Option<&'static str>,
    ) -> Self {
        Self {
            service: Cow::Borrowed(first_set(service.0, service.1)),
            version: Cow::Borrowed(first_set(version.0, version.1)),
            build_time: Cow::Borrowed(first_set(build_time, Self::UNKNOWN_BUILD_TIME)),
            revision: set(revision),
            rustc_version: set(rustc_version),
        }
    }
}

/// Returns name, version and build time of the crate that calls it, as a [`BuildInfo`].
///
/// The build arguments `SERVICE_NAME`, `VERSION` and `BUILD_TIME` (environment of the compiler)
/// win over the Cargo package. `REVISION` and `RUSTC_VERSION` add the revision of the sources and the
/// version of the compiler. The result can be a `const`.
#[macro_export]
macro_rules! build_info {
    () => {
        $crate::BuildInfo::captured(
            (
                ::core::option_env!("SERVICE_NAME"),
                ::core::env!("CARGO_PKG_NAME"),
            ),
            (
                ::core::option_env!("VERSION"),
                ::core::env!("CARGO_PKG_VERSION"),
            ),
            ::core::option_env!("BUILD_TIME"),
            ::core::option_env!("REVISION"),
            ::core::option_env!("RUSTC_VERSION"),
        )
    };
}

const fn first_set(argument: Option<&'static str>, default: &'static str) -> &'static str {
    match set(argument) {
        Some(text) => text,
        None => default,
    }
}

/// Returns a build argument that is set and not empty.
const fn set(argument: Option<&'static str>) -> Option<&'static str> {
    match argument {
        Some(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that the macro works in a constant.
    const CAPTURED: BuildInfo = crate::build_info!();

    #[test]
    fn build_argument_wins_over_the_package_and_empty_is_unset() {
        #[track_caller]
        fn check(argument: Option<&'static str>, expect: &str) {
            let named = (argument, "package");
            let build = BuildInfo::captured(named, named, argument, argument, argument);
            assert_eq!(build.service(), expect);
            assert_eq!(build.version(), expect);
            let unknown = if expect == "package" {
                "unknown"
            } else {
                expect
            };
            assert_eq!(build.build_time(), unknown);
            let optional = argument.filter(|text| !text.is_empty());
            assert_eq!(build.revision(), optional);
            assert_eq!(build.rustc_version(), optional);
        }
        check(Some("argument"), "argument");
        check(Some(""), "package");
        check(None, "package");
    }

    #[test]
    fn macro_returns_the_package_of_its_caller() {
        if option_env!("SERVICE_NAME").is_none() && option_env!("VERSION").is_none() {
            assert_eq!(CAPTURED.service(), env!("CARGO_PKG_NAME"));
            assert_eq!(CAPTURED.version(), env!("CARGO_PKG_VERSION"));
        }
    }
}
