//! Reload of certificates.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

use harness::{Process, Signal, eventually, eventually_within};

use super::session::{Pair, ask, handshake, trust};
use super::{Identity, get};
use crate::support::{fixture, start};

/// SIG-2, TLS-4, TLS-5, MET-6
#[test]
fn sighup_loads_a_renewed_certificate_but_no_broken_one() {
    let old = Identity::new("renewed");
    let new = Identity::new("renewal");
    let service = old.service(&[]);
    fs::write(&old.certificate, "broken").unwrap();
    service.signal(Signal::Hup);
    service.wait_for_record(|record| record["message"] == "tls_reload_failed");
    assert!(
        get(&service, &old.der, "/hello").is_ok(),
        "the old one is served still"
    );
    let metrics = get(&service, &old.der, "/metrics").unwrap();
    assert!(metrics.contains("\ntls_reload_failures_total 1\n"));
    fs::copy(&new.certificate, &old.certificate).unwrap();
    fs::copy(&new.key, &old.key).unwrap();
    service.signal(Signal::Hup);
    service.wait_for_record(|record| record["message"] == "tls_reloaded");
    assert!(get(&service, &new.der, "/hello").is_ok());
    assert!(get(&service, &old.der, "/hello").is_err());
    old.remove();
    new.remove();
}

/// SIG-2, TLS-4: polling does not detect unchanged files.
#[test]
fn sighup_reads_unchanged_files_again() {
    let identity = Identity::new("unchanged");
    let service = identity.service(&[]);
    service.signal(Signal::Hup);
    service.wait_for_record(|record| record["message"] == "tls_reloaded");
    assert!(get(&service, &identity.der, "/hello").is_ok());
    identity.remove();
}

/// SIG-2
#[test]
fn sighup_without_tls_has_no_effect() {
    let service = start(&[]);
    service.signal(Signal::Hup);
    assert_eq!(service.get("/hello").status, 200);
}

/// A folder like a mounted secret of Kubernetes: `tls.crt` links into `..data`, which links to the
/// folder of the current version.
pub(super) struct Secret {
    pub(super) folder: PathBuf,
}

impl Secret {
    pub(super) fn new(name: &str, pair: &Pair) -> Self {
        let name = format!("catalogue-{}-{name}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        let secret = Self { folder };
        secret.swap(0, pair);
        for file in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{file}"), secret.path(file)).unwrap();
        }
        secret
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Replaces the current version atomically.
    pub(super) fn swap(&self, version: usize, pair: &Pair) {
        let data = format!("..version-{version}");
        fs::create_dir(self.path(&data)).unwrap();
        fs::write(self.path(&data).join("tls.crt"), &pair.certificate).unwrap();
        fs::write(self.path(&data).join("tls.key"), &pair.key).unwrap();
        symlink(&data, self.path("..data_tmp")).unwrap();
        fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
        if let Some(before) = version.checked_sub(1) {
            fs::remove_dir_all(self.path(&format!("..version-{before}"))).unwrap();
        }
    }

    /// Overwrites the current files.
    pub(super) fn write(&self, certificate: &str, key: &str) {
        fs::write(self.path("tls.crt"), certificate).unwrap();
        fs::write(self.path("tls.key"), key).unwrap();
    }

    /// Starts a service with these files.
    pub(super) fn service(&self, more: &[(&str, &str)]) -> Process {
        let (certificate, key) = (self.path("tls.crt"), self.path("tls.key"));
        let mut env = vec![
            ("TLS_CERT_FILE", certificate.to_str().unwrap()),
            ("TLS_KEY_FILE", key.to_str().unwrap()),
        ];
        env.extend(more);
        let service = Process::spawn(fixture(), &env);
        service.wait_for_record(|record| record["message"] == "infra_app_ready");
        service
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Remaining files have no effect.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Clients that perform handshakes until they are stopped.
struct Handshakes {
    over: AtomicBool,
    done: AtomicUsize,
    failed: AtomicUsize,
}

/// TLS-4, TLS-5
#[test]
fn no_handshake_fails_during_certificate_changes() {
    const SWAPS: usize = 20;
    const WRITES: usize = 5;
    let pairs: Vec<_> = (0..=SWAPS + WRITES).map(|_| Pair::new()).collect();
    let secret = Secret::new("reload", &pairs[0]);
    let config = trust(&pairs);
    let service = secret.service(&[]);
    let served = || {
        let session = handshake(service.addr(), &config).unwrap();
        session.conn.peer_certificates().unwrap()[0].clone()
    };
    let failures = || service.records_with("tls_reload_failed").len();
    let shaking = Handshakes {
        over: AtomicBool::new(false),
        done: AtomicUsize::new(0),
        failed: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !shaking.over.load(Ordering::Relaxed) {
                    let session = handshake(service.addr(), &config);
                    let answer = session.and_then(|session| ask(session, "/hello"));
                    let good = answer.is_ok_and(|answer| answer.ends_with("hello\n"));
                    shaking.done.fetch_add(1, Ordering::Relaxed);
                    shaking
                        .failed
                        .fetch_add(usize::from(!good), Ordering::Relaxed);
                }
            });
        }
        let changes = scope.spawn(|| {
            for (version, pair) in pairs.iter().enumerate().skip(1).take(SWAPS) {
                secret.swap(version, pair);
                if version < SWAPS {
                    service.signal(Signal::Hup);
                }
                // The last change is detected without a signal.
                let seen = eventually_within(Duration::from_secs(5), || {
                    (served() == pair.der).then_some(())
                });
                assert!(seen.is_some(), "swap {version}");
            }
            assert_eq!(failures(), 0);
            for pair in &pairs[SWAPS + 1..] {
                secret.write(&pair.certificate, &pair.key);
                service.signal(Signal::Hup);
                eventually("what was written over is served", || {
                    (served() == pair.der).then_some(())
                });
            }
            let last = &pairs[SWAPS + WRITES];
            let half = &last.certificate[..last.certificate.len() / 2];
            for (certificate, key) in [
                (last.certificate.as_str(), pairs[0].key.as_str()),
                ("", ""),
                (half, &last.key),
            ] {
                let before = failures();
                secret.write(certificate, key);
                service.signal(Signal::Hup);
                eventually("the failure is logged", || {
                    (failures() > before).then_some(())
                });
                assert_eq!(served(), last.der, "the old one stays in force");
            }
        });
        let outcome = changes.join();
        shaking.over.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
    let done = shaking.done.load(Ordering::Relaxed);
    assert!(done > 2 * SWAPS, "{done}");
    assert_eq!(shaking.failed.load(Ordering::Relaxed), 0, "of {done}");
}
