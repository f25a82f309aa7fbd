//! Files that cannot be used, and their error texts.

use std::error::Error as _;

use super::*;
use crate::error::chain;

/// A directory of valid files, one of which a test replaces.
struct InvalidFiles {
    directory: Directory,
    pair: Pair,
}

impl InvalidFiles {
    fn new() -> Self {
        let pair = Authority::new().issue();
        let directory = Directory::new();
        directory.write(&pair);
        Self { directory, pair }
    }

    /// Loads with `text` in the file `name`, and returns the error with its sources.
    #[track_caller]
    fn with(name: &str, text: impl AsRef<[u8]>) -> String {
        let files = Self::new();
        fs::write(files.directory.path(name), text).unwrap();
        files.error(name)
    }

    #[track_caller]
    fn error(&self, name: &str) -> String {
        let error = Tls::load(self.directory.files(), HTTP).expect_err("an error");
        let text = chain(&error);
        let path = self.directory.path(name).display().to_string();
        assert!(text.contains(&path), "the file is named: {text}");
        assert!(
            text.contains("expected") || error.source().is_some(),
            "{text}"
        );
        text
    }
}

#[track_caller]
fn check(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// TLS-1
#[test]
fn valid_files_load_in_all_formats() {
    let load = |certificate: &str, key: &str| {
        let directory = Directory::new();
        directory.write(&Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        });
        Tls::load(directory.files(), HTTP).map_err(|error| chain(&error))
    };
    let authority = Authority::new();
    let Pair { certificate, key } = authority.issue();
    let both = format!("{key}{certificate}{}", authority.pem());
    load(&both, &both).expect("one file for key and chain");
    let commented = format!("Subject: localhost\n{certificate}");
    load(&commented, &key).expect("text around the sections");
    load(
        &certificate.replace('\n', "\r\n"),
        &key.replace('\n', "\r\n"),
    )
    .expect("CRLF");
}

/// TLS-1
#[test]
fn error_names_unreadable_file_and_system_error() {
    for (name, role) in [("tls.crt", "certificate"), ("tls.key", "key")] {
        let files = InvalidFiles::new();
        fs::remove_file(files.directory.path(name)).unwrap();
        check(
            &files.error(name),
            &[role, "cannot be read", "No such file"],
        );
        fs::create_dir(files.directory.path(name)).unwrap();
        check(&files.error(name), &[role, "not a regular file"]);
    }
}

/// TLS-1
#[test]
fn error_names_file_without_certificate_or_key() {
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        check(&InvalidFiles::with(name, ""), &["is empty"]);
        check(
            &InvalidFiles::with(name, vec![b'x'; 2 << 20]),
            &["too large", "1048576"],
        );
    }
    check(
        &InvalidFiles::with("tls.crt", "no PEM"),
        &["certificate file", "BEGIN CERTIFICATE"],
    );
    check(
        &InvalidFiles::with("ca.crt", "no PEM"),
        &["client CA file", "BEGIN CERTIFICATE"],
    );
    check(
        &InvalidFiles::with("tls.key", "no PEM"),
        &["key file", "BEGIN PRIVATE KEY"],
    );
    let Pair { certificate, key } = Authority::new().issue();
    check(
        &InvalidFiles::with("tls.crt", &key),
        &["holds no certificate"],
    );
    check(
        &InvalidFiles::with("tls.key", certificate),
        &["holds no private key"],
    );
}

/// TLS-1
#[test]
fn error_describes_malformed_file() {
    let Pair { certificate, key } = Authority::new().issue();
    for (name, text) in [
        ("tls.crt", &certificate),
        ("ca.crt", &certificate),
        ("tls.key", &key),
    ] {
        let half = &text[..text.len() / 2];
        check(&InvalidFiles::with(name, half), &["ends within a section"]);
        check(
            &InvalidFiles::with(name, text.replace('M', "%")),
            &["not base64"],
        );
        check(
            &InvalidFiles::with(name, text.replace('\n', "")),
            &["on a line of its own"],
        );
        check(
            &InvalidFiles::with(name, text.replacen('\n', "", 1)),
            &["all its line breaks"],
        );
    }
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(
        &InvalidFiles::with("tls.crt", not_der),
        &["number 1", "X.509", "BadEncoding"],
    );
    let second = format!("{certificate}{not_der}");
    check(
        &InvalidFiles::with("ca.crt", second),
        &["number 2", "X.509", "BadEncoding"],
    );
    let not_der = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    check(
        &InvalidFiles::with("tls.key", not_der),
        &["RSA of 2048", "private key"],
    );
}

/// TLS-1
#[test]
fn key_must_match_certificate() {
    let files = InvalidFiles::new();
    let other = Authority::new().issue().key;
    fs::write(files.directory.path("tls.key"), &other).unwrap();
    let text = files.error("tls.key");
    check(&text, &["does not belong to the first certificate"]);
    check(
        &text,
        &[&files.directory.path("tls.crt").display().to_string()],
    );

    let two = format!("{}{other}", files.pair.key);
    fs::write(files.directory.path("tls.key"), two).unwrap();
    check(
        &files.error("tls.key"),
        &["holds 2 private keys; expected one"],
    );

    let authority = Authority::new();
    let pair = authority.issue();
    let certificate = authority.pem() + &pair.certificate;
    files.directory.write(&Pair {
        certificate,
        ..pair
    });
    check(
        &files.error("tls.key"),
        &["own certificate before its issuers"],
    );
}

/// TLS-1
#[test]
fn encrypted_key_has_an_error_of_its_own() {
    for text in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n\
         AAAA\n-----END RSA PRIVATE KEY-----\n",
    ] {
        check(
            &InvalidFiles::with("tls.key", text),
            &["encrypted", "without a passphrase"],
        );
    }
}

/// TLS-1
#[test]
fn error_and_debug_contain_no_part_of_a_key() {
    // Two parts of the text, as text and as bytes, so that a quoted part is found as well.
    let marks = |key: &str| -> Vec<String> {
        let body: String = key.lines().filter(|line| !line.starts_with('-')).collect();
        let bytes = |part: &str| format!("{:?}", part.as_bytes());
        let parts = [&body[..16], &body[body.len() / 2..][..16]];
        parts
            .iter()
            .flat_map(|part| [(*part).to_owned(), bytes(part).replace(['[', ']'], "")])
            .collect()
    };
    let pair = Authority::new().issue();
    let marks = marks(&pair.key);
    let joined = pair.key.replace('\n', "");
    let half_joined = pair.key.replacen('\n', "", 1);
    let half = &pair.key[..pair.key.len() / 2];
    let malformed = pair.key.replace("END", "ENDE");
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        for text in [&joined, &half_joined, half, &malformed, &pair.key.repeat(2)] {
            let files = InvalidFiles::new();
            fs::write(files.directory.path(name), text).unwrap();
            let error = Tls::load(files.directory.files(), HTTP).expect_err("an error");
            let text = format!("{error:?} {}", chain(&error));
            for mark in &marks {
                assert!(!text.contains(mark), "{name}: {text}");
            }
        }
    }
    let files = InvalidFiles::new();
    files.directory.write(&pair);
    let tls = Tls::load(files.directory.files(), HTTP).unwrap();
    let text = format!("{tls:?}");
    assert!(marks.iter().all(|mark| !text.contains(mark)), "{text}");
    check(&text, &["tls.key", "not_after"]);
}
