//! Handshakes: accepted and rejected clients, and what is negotiated.

use rustls::{
    AlertDescription, Error, HandshakeKind, NamedGroup, PeerIncompatible, ProtocolVersion,
};

use tokio::io::join;

use super::*;

/// Returns the TLS error inside an I/O error.
#[track_caller]
fn tls_error<T>(result: io::Result<T>) -> Error {
    let error = result.err().expect("a rejection");
    error.downcast().expect("an error of TLS")
}

/// TLS-1
#[tokio::test]
async fn tls_1_2_and_1_3_are_supported() {
    let fixture = Fixture::new();
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let (server, client) = talk(&fixture.tls, fixture.authority.client(version)).await;
        assert_eq!(server.get_ref().1.protocol_version(), Some(expected));
        let certificates = client.get_ref().1.peer_certificates().unwrap();
        assert_eq!(certificates, [fixture.pair.der()]);
    }
}

/// TLS-1
#[tokio::test]
async fn post_quantum_key_exchange_is_preferred() {
    let fixture = Fixture::new();
    let (server, _client) = talk(&fixture.tls, fixture.authority.client(&TLS13)).await;
    let group = server.get_ref().1.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
}

/// Returns the error that these first bytes cause, and the answer of the server.
async fn answer(fixture: &Fixture, bytes: &[u8]) -> (Error, Vec<u8>) {
    let (near, mut far) = duplex(64 * 1024);
    far.write_all(bytes).await.unwrap();
    let error = tls_error(fixture.tls.acceptor().accept(near).await);
    let mut answer = Vec::new();
    far.read_to_end(&mut answer).await.unwrap();
    (error, answer)
}

/// TLS-1
#[tokio::test]
async fn older_versions_are_rejected() {
    let fixture = Fixture::new();
    for version in [0x01, 0x02] {
        let mut hello = vec![0x03, version];
        hello.extend([7; 32]); // Random.
        hello.push(0); // No session.
        hello.extend([0, 4, 0xc0, 0x09, 0xc0, 0x13]); // ECDHE with AES and SHA-1.
        hello.extend([1, 0]); // No compression.
        hello.extend([0, 16]); // Extensions.
        hello.extend([0, 10, 0, 4, 0, 2, 0, 23]); // Group P-256.
        hello.extend([0, 13, 0, 4, 0, 2, 4, 3]); // ECDSA with SHA-256.
        let length = u8::try_from(hello.len()).unwrap();
        let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
        record.extend(hello);
        let (error, answer) = answer(&fixture, &record).await;
        assert_eq!(
            error,
            Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)
        );
        assert_eq!(
            answer[5..],
            [2, u8::from(AlertDescription::ProtocolVersion)]
        );
    }
}

/// TLS-7
#[tokio::test]
async fn plain_http_is_rejected_without_http_response() {
    let fixture = Fixture::new();
    let (error, answer) = answer(&fixture, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(matches!(error, Error::InvalidMessage(_)), "{error:?}");
    assert!(!answer.starts_with(b"HTTP"));
}

/// TLS-7
#[tokio::test]
async fn client_hello_may_arrive_in_single_bytes_and_many_records() {
    let fixture = Fixture::new();
    for version in [&TLS12, &TLS13] {
        let mut config = fixture.authority.client(version);
        config.max_fragment_size = Some(32);
        let client = TlsConnector::from(Arc::new(config));
        // One byte at a time in one direction only. In both, each side would block on a partly written
        // record until the other side reads.
        let (from_client, to_server) = duplex(1);
        let (from_server, to_client) = duplex(64 * 1024);
        let (served, connected) = tokio::join!(
            fixture.tls.acceptor().accept(join(to_server, from_server)),
            client.connect(localhost(), join(to_client, from_client)),
        );
        assert!(served.is_ok() && connected.is_ok());
    }
}

/// TLS-2
#[tokio::test]
async fn server_selects_alpn_protocol_or_rejects() {
    let fixture = Fixture::new();
    for version in [&TLS12, &TLS13] {
        let negotiate = async |offered: &[&str]| {
            let mut config = fixture.authority.client(version);
            config.alpn_protocols = offered.iter().map(|name| name.as_bytes().into()).collect();
            let (server, client) = connect(&fixture.tls, config).await;
            server
                .map(|server| server.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
                .map_err(|error| (tls_error::<()>(Err(error)), tls_error(client)))
        };
        assert_eq!(negotiate(&["http/1.1", "h2"]).await, Ok(Some(b"h2".into())));
        assert_eq!(
            negotiate(&["spdy/3", "http/1.1"]).await,
            Ok(Some(b"http/1.1".into()))
        );
        assert_eq!(
            negotiate(&[]).await,
            Ok(None),
            "a client that offers none uses HTTP/1.1"
        );
        let alert = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        assert_eq!(
            negotiate(&["spdy/3"]).await,
            Err((Error::NoApplicationProtocol, alert))
        );
    }
}

/// TLS-3
#[tokio::test]
async fn client_ca_requires_its_certificates() {
    let mut fixture = Fixture::new();
    let clients = Authority::new();
    fixture.require_client_certificates(&clients);
    let Fixture { authority, tls, .. } = &fixture;
    for version in [&TLS12, &TLS13] {
        let (server, _client) = talk(tls, authority.client_with(version, &clients.issue())).await;
        assert!(server.get_ref().1.peer_certificates().is_some());

        let (server, _client) = connect(tls, authority.client(version)).await;
        assert_eq!(tls_error(server), Error::NoCertificatesPresented);

        let other = authority.client_with(version, &authority.issue());
        let (server, _client) = connect(tls, other).await;
        let error = tls_error(server);
        assert!(matches!(error, Error::InvalidCertificate(_)), "{error:?}");

        let expired = clients.issue_until(SystemTime::now() - DAY);
        let (server, _client) = connect(tls, authority.client_with(version, &expired)).await;
        let error = tls_error(server);
        assert!(matches!(error, Error::InvalidCertificate(_)), "{error:?}");
    }
}

/// TLS-1
#[tokio::test]
async fn sessions_are_resumed_without_early_data() {
    let fixture = Fixture::new();
    for version in [&TLS12, &TLS13] {
        let mut config = fixture.authority.client(version);
        config.enable_early_data = true;
        let config = Arc::new(config);
        let (server, client) = talk(&fixture.tls, Arc::clone(&config)).await;
        assert_ne!(
            server.get_ref().1.handshake_kind(),
            Some(HandshakeKind::Resumed)
        );
        drop((server, client));
        let (server, client) = talk(&fixture.tls, config).await;
        assert_eq!(
            server.get_ref().1.handshake_kind(),
            Some(HandshakeKind::Resumed)
        );
        assert!(!client.get_ref().1.is_early_data_accepted());
    }
    assert_eq!(fixture.tls.acceptor().config().max_early_data_size, 0);
}

/// TLS-3
#[tokio::test]
async fn session_of_removed_client_ca_is_not_resumed() {
    let mut fixture = Fixture::new();
    let (old, new) = (Authority::new(), Authority::new());
    for version in [&TLS12, &TLS13] {
        fixture.require_client_certificates(&old);
        let Fixture { authority, tls, .. } = &fixture;
        let config = Arc::new(authority.client_with(version, &old.issue()));
        talk(tls, Arc::clone(&config)).await;

        fs::write(fixture.directory.path("ca.crt"), new.pem()).unwrap();
        assert_eq!(tls.reload().unwrap(), Reloaded::Changed);
        let (server, _client) = connect(tls, config).await;
        let error = tls_error(server);
        assert!(matches!(error, Error::InvalidCertificate(_)), "{error:?}");
    }
}

#[tokio::test]
async fn disconnect_during_handshake_is_an_error() {
    let fixture = Fixture::new();
    let (near, mut far) = duplex(64 * 1024);
    far.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    drop(far);
    let error = fixture.tls.acceptor().accept(near).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
