//! Files that change while the service runs.

use super::*;

impl Fixture {
    /// Makes the last fingerprint valid, so that later changes are detected by metadata and not
    /// because the files are new.
    fn age_files(&self) {
        lock(&self.tls.fingerprint).age_files();
    }
}

/// TLS-4
#[tokio::test]
async fn each_link_swap_is_detected_and_served() {
    let Fixture { authority, .. } = Fixture::new();
    let directory = Directory::new();
    let pair = authority.issue();
    directory.swap(&pair);
    let fixture = Fixture {
        tls: Tls::load(directory.files(), HTTP).unwrap(),
        authority,
        pair,
        directory,
    };
    for swap in 0..100 {
        fixture.age_files();
        assert!(!fixture.tls.files_changed(), "no change before {swap}");
        let pair = fixture.authority.issue();
        fixture.directory.swap(&pair);
        assert!(fixture.tls.files_changed(), "swap {swap}");
        assert_eq!(fixture.tls.reload().unwrap(), Reloaded::Changed);
        assert_eq!(
            served_certificate(&fixture).await,
            pair.der(),
            "swap {swap}"
        );
    }
}

/// TLS-4
#[tokio::test]
async fn fast_writes_in_place_are_detected() {
    let fixture = Fixture::new();
    // The same size, and written within a tick of the clock: only the content differs.
    let pairs = [fixture.authority.issue(), fixture.authority.issue()];
    for pair in pairs.iter().cycle().take(50) {
        fixture.directory.write(pair);
        assert!(fixture.tls.files_changed());
        assert_eq!(fixture.tls.reload().unwrap(), Reloaded::Changed);
        assert_eq!(served_certificate(&fixture).await, pair.der());
    }
}

/// TLS-4
#[test]
fn change_of_each_file_is_detected() {
    let mut fixture = Fixture::new();
    fixture.require_client_certificates(&Authority::new());
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        fixture.age_files();
        assert!(!fixture.tls.files_changed());
        let path = fixture.directory.path(name);
        let text = fs::read_to_string(&path).unwrap() + "# A comment.\n";
        fs::write(&path, text).unwrap();
        assert!(fixture.tls.files_changed(), "{name}");
        assert_eq!(fixture.tls.reload().unwrap(), Reloaded::Unchanged, "{name}");
        fixture.age_files();
        fs::remove_file(&path).unwrap();
        assert!(fixture.tls.files_changed(), "{name}");
        assert!(fixture.tls.reload().is_err(), "{name}");
        fixture.age_files();
        assert!(
            !fixture.tls.files_changed(),
            "{name} is known to be missing"
        );
        fixture.directory.write(&fixture.pair);
        fs::write(fixture.directory.path("ca.crt"), Authority::new().pem()).unwrap();
        fixture.tls.reload().unwrap();
    }
}

/// TLS-5
#[tokio::test]
async fn invalid_files_keep_the_active_certificate() {
    let fixture = Fixture::new();
    let not_after = fixture.tls.not_after();
    let good = fixture.authority.issue_until(SystemTime::now() + 365 * DAY);
    let half = &good.certificate[..good.certificate.len() / 2];
    for (certificate, key) in [
        ("", ""),
        (half, &*good.key),
        (&good.certificate, ""),
        (&good.certificate, &fixture.pair.key),
        (&fixture.pair.certificate, &good.key),
    ] {
        fixture.directory.write(&Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        });
        assert!(fixture.tls.reload().is_err());
        fixture.age_files();
        assert!(
            !fixture.tls.files_changed(),
            "a failure is not retried without a change"
        );
        assert_eq!(served_certificate(&fixture).await, fixture.pair.der());
        assert_eq!(fixture.tls.not_after(), not_after);
    }
    fixture.directory.write(&good);
    assert!(fixture.tls.files_changed());
    assert_eq!(fixture.tls.reload().unwrap(), Reloaded::Changed);
    assert_eq!(served_certificate(&fixture).await, good.der());
    assert!(fixture.tls.not_after() > not_after);
}

/// TLS-4
#[tokio::test]
async fn open_connections_keep_their_configuration() {
    let fixture = Fixture::new();
    let mut old = talk(&fixture.tls, fixture.authority.client(&TLS13)).await;
    let (near, far) = duplex(64 * 1024);
    let handshake = fixture.tls.acceptor().accept(near);

    let pair = fixture.authority.issue();
    fixture.directory.write(&pair);
    fixture.tls.reload().unwrap();

    assert_eq!(served_certificate(&fixture).await, pair.der());
    echo(&mut old).await;
    let client = TlsConnector::from(Arc::new(fixture.authority.client(&TLS13)));
    let (server, client) = tokio::join!(handshake, client.connect(localhost(), far));
    assert!(server.is_ok());
    let client = client.unwrap();
    assert_eq!(
        client.get_ref().1.peer_certificates().unwrap(),
        [fixture.pair.der()]
    );
}

/// TLS-4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_handshake_fails_while_files_are_swapped() {
    let fixture = Fixture::new();
    let tls = Arc::clone(&fixture.tls);
    let config = Arc::new(fixture.authority.client(&TLS13));
    let handshakes = tokio::spawn(async move {
        for _ in 0..200 {
            talk(&tls, Arc::clone(&config)).await;
        }
    });
    let mut swaps = 0;
    while !handshakes.is_finished() {
        fixture.directory.write(&fixture.authority.issue());
        fixture.tls.reload().unwrap();
        swaps += 1;
        tokio::task::yield_now().await;
    }
    handshakes.await.unwrap();
    assert!(swaps > 1, "{swaps}");
}
