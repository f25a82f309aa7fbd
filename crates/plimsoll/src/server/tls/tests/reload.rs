//! Files that change under a running service.

use super::*;

impl Fixture {
    /// Lets the last reading count as one of files at rest: what is seen after it, is seen by how
    /// the files look and not because they are new.
    fn age(&self) {
        self.tls.seen().make_older_files();
    }
}

#[tokio::test]
async fn a_hundred_swaps_of_a_link_are_each_seen_and_served() {
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
        fixture.age();
        assert!(
            !fixture.tls.files_changed(),
            "nothing happened before {swap}"
        );
        let pair = fixture.authority.issue();
        fixture.directory.swap(&pair);
        assert!(fixture.tls.files_changed(), "swap {swap}");
        assert_eq!(fixture.tls.reload().unwrap(), Reloaded::Changed);
        assert_eq!(shown(&fixture).await, pair.der(), "swap {swap}");
    }
}

#[tokio::test]
async fn files_written_in_place_are_seen_however_fast() {
    let fixture = Fixture::new();
    // Of one size and written within a tick of the clock: they differ in what they hold alone.
    let pairs = [fixture.authority.issue(), fixture.authority.issue()];
    for pair in pairs.iter().cycle().take(50) {
        fixture.directory.write(pair);
        assert!(fixture.tls.files_changed());
        assert_eq!(fixture.tls.reload().unwrap(), Reloaded::Changed);
        assert_eq!(shown(&fixture).await, pair.der());
    }
}

#[test]
fn a_change_of_any_one_file_is_seen() {
    let mut fixture = Fixture::new();
    fixture.demand(&Authority::new());
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        fixture.age();
        assert!(!fixture.tls.files_changed());
        let path = fixture.directory.path(name);
        let text = fs::read_to_string(&path).unwrap() + "# A remark.\n";
        fs::write(&path, text).unwrap();
        assert!(fixture.tls.files_changed(), "{name}");
        assert_eq!(fixture.tls.reload().unwrap(), Reloaded::Unchanged, "{name}");
        fixture.age();
        fs::remove_file(&path).unwrap();
        assert!(fixture.tls.files_changed(), "{name}");
        assert!(fixture.tls.reload().is_err(), "{name}");
        fixture.age();
        assert!(
            !fixture.tls.files_changed(),
            "{name} was seen to be missing"
        );
        fixture.directory.write(&fixture.pair);
        fs::write(fixture.directory.path("ca.crt"), Authority::new().pem()).unwrap();
        fixture.tls.reload().unwrap();
    }
}

#[tokio::test]
async fn broken_files_leave_the_old_certificate_in_force() {
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
        fixture.age();
        assert!(
            !fixture.tls.files_changed(),
            "a failure is not tried again and again"
        );
        assert_eq!(shown(&fixture).await, fixture.pair.der());
        assert_eq!(fixture.tls.not_after(), not_after);
    }
    fixture.directory.write(&good);
    assert!(fixture.tls.files_changed());
    assert_eq!(fixture.tls.reload().unwrap(), Reloaded::Changed);
    assert_eq!(shown(&fixture).await, good.der());
    assert!(fixture.tls.not_after() > not_after);
}

#[tokio::test]
async fn connections_live_on_with_what_they_began_with() {
    let fixture = Fixture::new();
    let mut old = talk(&fixture.tls, fixture.authority.client(&TLS13)).await;
    let (near, far) = duplex(64 * 1024);
    let under_way = fixture.tls.acceptor().accept(near);

    let pair = fixture.authority.issue();
    fixture.directory.write(&pair);
    fixture.tls.reload().unwrap();

    assert_eq!(shown(&fixture).await, pair.der());
    echo(&mut old).await;
    let client = TlsConnector::from(Arc::new(fixture.authority.client(&TLS13)));
    let (server, client) = tokio::join!(under_way, client.connect(localhost(), far));
    assert!(server.is_ok());
    let client = client.unwrap();
    assert_eq!(
        client.get_ref().1.peer_certificates().unwrap(),
        [fixture.pair.der()]
    );
}

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
