//! The settings of the process: its build, `DEBUG`, `SECRET_KEY`, `WORKERS`, `ENV_FILE`.

use std::{path::PathBuf, thread};

use crate::{
    BuildInfo,
    config::{
        reader::{Invalid, Reader},
        source::ENV_FILE,
        value::{LABEL, Secret, label, within},
    },
};

/// The key of a service with `DEBUG=true`, so that signed cookies work without any set-up.
/// It is public. Cookie libraries require 64 bytes.
const DEVELOPMENT_KEY: &str = "not-a-secret-but-the-development-key-that-DEBUG=true-falls-to---";

/// More threads than any machine has CPUs: a larger number is a typing error.
const MAX_WORKERS: usize = 1024;

/// Reads name, version and build time. The defaults are the values compiled into the binary.
pub(super) fn build_info(from: &mut Reader<'_>, build: &BuildInfo) -> Result<BuildInfo, Invalid> {
    let mut read = |name, meaning, built: &str, example| {
        from.setting(name, meaning)
            .default_from("from the binary", built)
            .example(example)
            .read_with(LABEL, label)
    };
    let service = read(
        "SERVICE_NAME",
        "Name of the service in banner, logs and metrics.",
        build.service(),
        "rust-axum-app",
    );
    let version = read(
        "VERSION",
        "Version of the service in `/info`, logs and metrics.",
        build.version(),
        "1.0.0",
    );
    let build_time = read(
        "BUILD_TIME",
        "Build time of the service in `/info`, logs and metrics.",
        build.build_time(),
        "2025-12-19T09:18:13Z",
    );
    Ok(build.with_strings(service?, version?, build_time?))
}

/// Reads `DEBUG`.
pub(super) fn debug(from: &mut Reader<'_>) -> Result<bool, Invalid> {
    from.setting(
        "DEBUG",
        "Details in the responses of failed requests, and a fixed `SECRET_KEY` if none is set. \
         Not for production.",
    )
    .default("false")
    .read()
}

/// Reads `SECRET_KEY`. With `DEBUG=true` the default is [`DEVELOPMENT_KEY`].
///
/// The report still shows an unset key, because it shows what was configured.
pub(super) fn secret_key(
    from: &mut Reader<'_>,
    debug: Result<bool, Invalid>,
) -> Result<Option<Secret>, Invalid> {
    let key = from
        .setting(
            "SECRET_KEY",
            "Key for the service's signed cookies and tokens.",
        )
        .alias("DJANGO_SECRET_KEY")
        .read_optional::<Secret>()?;
    let has_default = debug == Ok(true);
    Ok(key.or_else(|| has_default.then(|| Secret::new(DEVELOPMENT_KEY))))
}

/// Reads `WORKERS`, and accepts Gunicorn's variables about threads without effect.
pub(super) fn workers(from: &mut Reader<'_>) -> Result<usize, Invalid> {
    let workers = from
        .setting("WORKERS", "Threads that handle requests.")
        .alias("GUNICORN_WORKERS")
        .default_from(
            "the CPUs of the process, a quota counted",
            cpus().to_string(),
        )
        .example("4")
        .read_with("a whole number from 1 to 1024", within(1..=MAX_WORKERS));
    from.ignore("GUNICORN_THREADS", "a worker is one thread here");
    from.ignore("GUNICORN_WORKER_CLASS", "there is one kind of worker here");
    workers
}

/// Reads `ENV_FILE`. The profile is already loaded, so this only documents and checks the variable.
pub(super) fn env_file(from: &mut Reader<'_>) -> Result<(), Invalid> {
    from.setting(
        ENV_FILE,
        "Profile to load; the real environment wins over it.",
    )
    .example(".env.int")
    .read_optional::<PathBuf>()
    .map(drop)
}

/// The number of CPUs that the process may use. On Linux, affinity and the CPU quota of the
/// control group count.
pub(super) fn cpus() -> usize {
    thread::available_parallelism().map_or(1, |cpus| cpus.get().min(MAX_WORKERS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::tests::with;

    #[test]
    fn unset_secret_key_is_an_error_without_debug() {
        let error = with(&[]).secret_key().unwrap_err();
        assert!(error.to_string().contains("SECRET_KEY"), "{error}");
        let config = with(&[("DEBUG", "true")]);
        assert_eq!(config.secret_key().unwrap().expose(), DEVELOPMENT_KEY);
        assert_eq!(DEVELOPMENT_KEY.len(), 64);
        let config = with(&[("DEBUG", "true"), ("SECRET_KEY", "mine")]);
        assert_eq!(config.secret_key().unwrap().expose(), "mine");
    }
}
