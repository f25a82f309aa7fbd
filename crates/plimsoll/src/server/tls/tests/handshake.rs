//! Who gets in, and what is agreed.

use rustls::{
    AlertDescription, Error, HandshakeKind, NamedGroup, PeerIncompatible, ProtocolVersion,
};

use tokio::io::join;

use super::*;

/// The error of TLS that an error of a stream stands for.
#[track_caller]
fn tls_error<T>(result: io::Result<T>) -> Error {
    let error = result.err().expect("a refusal");
    error.downcast().expect("an error of TLS")
}

#[tokio::test]
async fn both_present_versions_are_spoken() {
    let fixture = Fixture::new();
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let (server, client) = talk(&fixture.tls, fixture.authority.client(version)).await;
        assert_eq!(server.get_ref().1.protocol_version(), Some(expected));
        let shown = client.get_ref().1.peer_certificates().unwrap();
        assert_eq!(shown, [fixture.pair.der()]);
    }
}

#[tokio::test]
async fn keys_are_agreed_on_with_post_quantum_cryptography_first() {
    let fixture = Fixture::new();
    let (server, _client) = talk(&fixture.tls, fixture.authority.client(&TLS13)).await;
    let group = server.get_ref().1.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
}

/// What the service makes of these first bytes, and what it answers.
async fn answer(fixture: &Fixture, bytes: &[u8]) -> (Error, Vec<u8>) {
    let (near, mut far) = duplex(64 * 1024);
    far.write_all(bytes).await.unwrap();
    let error = tls_error(fixture.tls.acceptor().accept(near).await);
    let mut answer = Vec::new();
    far.read_to_end(&mut answer).await.unwrap();
    (error, answer)
}

#[tokio::test]
async fn older_versions_are_refused() {
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

#[tokio::test]
async fn plain_http_is_refused_without_an_answer_in_http() {
    let fixture = Fixture::new();
    let (error, answer) = answer(&fixture, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(matches!(error, Error::InvalidMessage(_)), "{error:?}");
    assert!(!answer.starts_with(b"HTTP"));
}

#[tokio::test]
async fn a_hello_may_come_byte_by_byte_and_in_many_records() {
    let fixture = Fixture::new();
    for version in [&TLS12, &TLS13] {
        let mut config = fixture.authority.client(version);
        config.max_fragment_size = Some(32);
        let client = TlsConnector::from(Arc::new(config));
        // One byte at a time in the one direction only: in both, each side would wait with a half
        // written record for the other one to read.
        let (from_client, to_server) = duplex(1);
        let (from_server, to_client) = duplex(64 * 1024);
        let (served, connected) = tokio::join!(
            fixture.tls.acceptor().accept(join(to_server, from_server)),
            client.connect(localhost(), join(to_client, from_client)),
        );
        assert!(served.is_ok() && connected.is_ok());
    }
}

#[tokio::test]
async fn a_protocol_is_chosen_by_the_service_or_refused() {
    let fixture = Fixture::new();
    for version in [&TLS12, &TLS13] {
        let agreed = async |offered: &[&str]| {
            let mut config = fixture.authority.client(version);
            config.alpn_protocols = offered.iter().map(|name| name.as_bytes().into()).collect();
            let (server, client) = connect(&fixture.tls, config).await;
            server
                .map(|server| server.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
                .map_err(|error| (tls_error::<()>(Err(error)), tls_error(client)))
        };
        assert_eq!(agreed(&["http/1.1", "h2"]).await, Ok(Some(b"h2".into())));
        assert_eq!(
            agreed(&["spdy/3", "http/1.1"]).await,
            Ok(Some(b"http/1.1".into()))
        );
        assert_eq!(
            agreed(&[]).await,
            Ok(None),
            "one that names none speaks HTTP/1.1"
        );
        let alert = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        assert_eq!(
            agreed(&["spdy/3"]).await,
            Err((Error::NoApplicationProtocol, alert))
        );
    }
}

#[tokio::test]
async fn clients_must_show_a_certificate_of_the_client_ca() {
    let mut fixture = Fixture::new();
    let clients = Authority::new();
    fixture.demand(&clients);
    let Fixture { authority, tls, .. } = &fixture;
    for version in [&TLS12, &TLS13] {
        let (server, _client) = talk(tls, authority.client_with(version, &clients.issue())).await;
        assert!(server.get_ref().1.peer_certificates().is_some());

        let (server, _client) = connect(tls, authority.client(version)).await;
        assert_eq!(tls_error(server), Error::NoCertificatesPresented);

        let stranger = authority.client_with(version, &authority.issue());
        let (server, _client) = connect(tls, stranger).await;
        let error = tls_error(server);
        assert!(matches!(error, Error::InvalidCertificate(_)), "{error:?}");

        let expired = clients.issue_until(SystemTime::now() - DAY);
        let (server, _client) = connect(tls, authority.client_with(version, &expired)).await;
        let error = tls_error(server);
        assert!(matches!(error, Error::InvalidCertificate(_)), "{error:?}");
    }
}

#[tokio::test]
async fn sessions_are_resumed_and_carry_no_early_data() {
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

#[tokio::test]
async fn a_client_of_an_authority_that_was_taken_away_cannot_resume() {
    let mut fixture = Fixture::new();
    let (former, present) = (Authority::new(), Authority::new());
    for version in [&TLS12, &TLS13] {
        fixture.demand(&former);
        let Fixture { authority, tls, .. } = &fixture;
        let config = Arc::new(authority.client_with(version, &former.issue()));
        talk(tls, Arc::clone(&config)).await;

        fs::write(fixture.directory.path("ca.crt"), present.pem()).unwrap();
        assert_eq!(tls.reload().unwrap(), Reloaded::Changed);
        let (server, _client) = connect(tls, config).await;
        let error = tls_error(server);
        assert!(matches!(error, Error::InvalidCertificate(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_handshake_is_an_error() {
    let fixture = Fixture::new();
    let (near, mut far) = duplex(64 * 1024);
    far.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    drop(far);
    let error = fixture.tls.acceptor().accept(near).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
