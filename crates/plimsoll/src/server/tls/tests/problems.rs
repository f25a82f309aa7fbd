//! Files that are no good, and what is said of them.

use std::error::Error as _;

use super::*;
use crate::error::chain;

/// A place with good files, to spoil.
struct Spoiled {
    directory: Directory,
    pair: Pair,
}

impl Spoiled {
    fn new() -> Self {
        let pair = Authority::new().issue();
        let directory = Directory::new();
        directory.write(&pair);
        Self { directory, pair }
    }

    /// Loads with `name` holding `text`, and gives the whole error.
    #[track_caller]
    fn with(name: &str, text: impl AsRef<[u8]>) -> String {
        let place = Self::new();
        fs::write(place.directory.path(name), text).unwrap();
        place.error(name)
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

#[test]
fn good_files_load_in_all_their_forms() {
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
    let remarked = format!("Subject: somebody\n{certificate}");
    load(&remarked, &key).expect("text around the sections");
    load(
        &certificate.replace('\n', "\r\n"),
        &key.replace('\n', "\r\n"),
    )
    .expect("CRLF");
}

#[test]
fn unreadable_files_are_named_with_the_reason_of_the_system() {
    for (name, role) in [("tls.crt", "certificate"), ("tls.key", "key")] {
        let place = Spoiled::new();
        fs::remove_file(place.directory.path(name)).unwrap();
        check(
            &place.error(name),
            &[role, "cannot be read", "No such file"],
        );
        fs::create_dir(place.directory.path(name)).unwrap();
        check(&place.error(name), &[role, "not a regular file"]);
    }
}

#[test]
fn what_holds_nothing_useful_is_told() {
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        check(&Spoiled::with(name, ""), &["is empty"]);
        check(
            &Spoiled::with(name, vec![b'x'; 2 << 20]),
            &["too large", "1048576"],
        );
    }
    check(
        &Spoiled::with("tls.crt", "no PEM"),
        &["certificate file", "BEGIN CERTIFICATE"],
    );
    check(
        &Spoiled::with("ca.crt", "no PEM"),
        &["client CA file", "BEGIN CERTIFICATE"],
    );
    check(
        &Spoiled::with("tls.key", "no PEM"),
        &["key file", "BEGIN PRIVATE KEY"],
    );
    let Pair { certificate, key } = Authority::new().issue();
    check(&Spoiled::with("tls.crt", &key), &["holds no certificate"]);
    check(
        &Spoiled::with("tls.key", certificate),
        &["holds no private key"],
    );
}

#[test]
fn what_is_broken_is_told() {
    let Pair { certificate, key } = Authority::new().issue();
    for (name, text) in [
        ("tls.crt", &certificate),
        ("ca.crt", &certificate),
        ("tls.key", &key),
    ] {
        let half = &text[..text.len() / 2];
        check(&Spoiled::with(name, half), &["ends within a section"]);
        check(
            &Spoiled::with(name, text.replace('M', "%")),
            &["not base64"],
        );
        check(
            &Spoiled::with(name, text.replace('\n', "")),
            &["on a line of its own"],
        );
        check(
            &Spoiled::with(name, text.replacen('\n', "", 1)),
            &["all its line breaks"],
        );
    }
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(
        &Spoiled::with("tls.crt", not_der),
        &["number 1", "X.509", "BadEncoding"],
    );
    let second = format!("{certificate}{not_der}");
    check(
        &Spoiled::with("ca.crt", second),
        &["number 2", "X.509", "BadEncoding"],
    );
    let not_der = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    check(
        &Spoiled::with("tls.key", not_der),
        &["RSA of 2048", "private key"],
    );
}

#[test]
fn a_key_must_be_the_one_of_the_certificate() {
    let place = Spoiled::new();
    let other = Authority::new().issue().key;
    fs::write(place.directory.path("tls.key"), &other).unwrap();
    let text = place.error("tls.key");
    check(&text, &["does not belong to the first certificate"]);
    check(
        &text,
        &[&place.directory.path("tls.crt").display().to_string()],
    );

    let two = format!("{}{other}", place.pair.key);
    fs::write(place.directory.path("tls.key"), two).unwrap();
    check(
        &place.error("tls.key"),
        &["holds 2 private keys; expected one"],
    );

    let authority = Authority::new();
    let pair = authority.issue();
    let certificate = authority.pem() + &pair.certificate;
    place.directory.write(&Pair {
        certificate,
        ..pair
    });
    check(
        &place.error("tls.key"),
        &["own certificate before its issuers"],
    );
}

#[test]
fn an_encrypted_key_is_told_from_a_broken_one() {
    for text in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n\
         AAAA\n-----END RSA PRIVATE KEY-----\n",
    ] {
        check(
            &Spoiled::with("tls.key", text),
            &["encrypted", "without a passphrase"],
        );
    }
}

#[test]
fn nothing_of_a_key_gets_into_an_error_or_a_debug() {
    // Each third of the text, so that a quoted part is found too, however it is written.
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
    let spoiled = pair.key.replace("END", "ENDE");
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        for text in [&joined, &half_joined, half, &spoiled, &pair.key.repeat(2)] {
            let place = Spoiled::new();
            fs::write(place.directory.path(name), text).unwrap();
            let error = Tls::load(place.directory.files(), HTTP).expect_err("an error");
            let said = format!("{error:?} {}", chain(&error));
            for mark in &marks {
                assert!(!said.contains(mark), "{name}: {said}");
            }
        }
    }
    let place = Spoiled::new();
    place.directory.write(&pair);
    let tls = Tls::load(place.directory.files(), HTTP).unwrap();
    let said = format!("{tls:?}");
    assert!(marks.iter().all(|mark| !said.contains(mark)), "{said}");
    check(&said, &["tls.key", "not_after"]);
}
