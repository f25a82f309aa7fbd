//! Says which build of which service this is.
//!
//! Three values, on `/info`, in every access record and in the metric `build_info`:
//!
//! | value        | first           | then (build argument) | else                    |
//! |--------------|-----------------|-----------------------|-------------------------|
//! | `service`    | `SERVICE_NAME`  | `SERVICE_NAME`        | the Cargo package's name    |
//! | `version`    | `VERSION`       | `VERSION`             | the Cargo package's version |
//! | `build_time` | `BUILD_TIME`    | `BUILD_TIME`          | `unknown`               |
//!
//! The first column is the environment of the running process, the second that of the compiler.
//!
//! # Why a macro
//!
//! The package's name and version are those of the crate in which `env!` is expanded.
//! A function of this library could only ever tell its own, so [`build_info!`](crate::build_info!)
//! expands to the look-ups in the crate of the caller.
//!
//! # Invariants
//!
//! * An empty build argument counts as unset: `docker build --build-arg VERSION=` and an `ARG`
//!   without a default both arrive as an empty variable, and neither means a service without a version.
//! * Nothing is read here while the service runs: [`crate::config`] does that, and checks what it reads.

use std::borrow::Cow;

/// Name, version and build time of a service.
///
/// Made by [`build_info!`](crate::build_info!), then overridden by the environment when the
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
}

impl BuildInfo {
    /// Build time of a binary whose build did not say one.
    const UNKNOWN_BUILD_TIME: &'static str = "unknown";

    /// Takes the three values as they are.
    ///
    /// For tests and for builds that know better than Cargo; [`build_info!`](crate::build_info!)
    /// is the usual way.
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
        }
    }

    /// Name of the service, as in the banner and the label `service`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Version of the service.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// When the service was built, in whatever form the build gave it, or `unknown`.
    #[must_use]
    pub fn build_time(&self) -> &str {
        &self.build_time
    }

    /// Takes values that became known only at run time.
    pub(crate) fn from_strings(service: String, version: String, build_time: String) -> Self {
        Self {
            service: service.into(),
            version: version.into(),
            build_time: build_time.into(),
        }
    }

    /// What [`build_info!`](crate::build_info!) expands to; not for direct use.
    #[doc(hidden)]
    #[must_use]
    pub const fn captured(
        service: (Option<&'static str>, &'static str),
        version: (Option<&'static str>, &'static str),
        build_time: Option<&'static str>,
    ) -> Self {
        Self::new(
            first_set(service.0, service.1),
            first_set(version.0, version.1),
            first_set(build_time, Self::UNKNOWN_BUILD_TIME),
        )
    }
}

/// Captures name, version and build time of the crate that calls it.
///
/// The build arguments `SERVICE_NAME`, `VERSION` and `BUILD_TIME` (environment of the compiler)
/// come first, then the Cargo package. The result is usable in a `const`.
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
        )
    };
}

const fn first_set(argument: Option<&'static str>, otherwise: &'static str) -> &'static str {
    match argument {
        Some(text) if !text.is_empty() => text,
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The macro must stay usable in a constant.
    const CAPTURED: BuildInfo = crate::build_info!();

    #[test]
    fn build_argument_comes_before_the_package_and_empty_is_unset() {
        #[track_caller]
        fn check(argument: Option<&'static str>, expect: &str) {
            let build = BuildInfo::captured((argument, "package"), (argument, "package"), argument);
            assert_eq!(build.service(), expect);
            assert_eq!(build.version(), expect);
            let unknown = if expect == "package" {
                "unknown"
            } else {
                expect
            };
            assert_eq!(build.build_time(), unknown);
        }
        check(Some("argument"), "argument");
        check(Some(""), "package");
        check(None, "package");
    }

    #[test]
    fn macro_captures_the_package_of_its_caller() {
        if option_env!("SERVICE_NAME").is_none() && option_env!("VERSION").is_none() {
            assert_eq!(CAPTURED.service(), env!("CARGO_PKG_NAME"));
            assert_eq!(CAPTURED.version(), env!("CARGO_PKG_VERSION"));
        }
    }
}
