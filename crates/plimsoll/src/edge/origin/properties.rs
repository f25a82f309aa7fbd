//! Properties for arbitrary headers.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    tests::{CLIENT, GATE, HOST_LINE, origin, shown},
    *,
};
use crate::config::ForwardedHeader::{Forwarded, XForwardedFor};

/// Elements of a list, most of them valid.
fn any_element() -> impl Strategy<Value = String> {
    let elements = [
        "https",
        "http",
        "HTTP",
        "",
        "a.example",
        "b.example:80",
        "ftp",
        "\"",
        "é",
    ];
    select(elements.map(str::to_owned).to_vec())
}

fn any_scheme() -> impl Strategy<Value = Scheme> {
    select(vec![Scheme::Http, Scheme::Https])
}

proptest! {
    /// IP-5
    #[test]
    fn untrusted_peer_never_changes_the_origin(
        value in "[ -~]{0,60}",
        elements in vec(any_element(), 0..5),
        connection in any_scheme(),
    ) {
        let list = elements.join(", ");
        let head = format!(
            "{HOST_LINE}X-Forwarded-Proto: {list}\nX-Forwarded-Host: {list}\nForwarded: {value}"
        );
        for header in [XForwardedFor, Forwarded] {
            let found = origin(header, CLIENT, connection, "/", &head);
            prop_assert_eq!(shown(found), format!("{connection}://own.example"));
        }
    }

    #[test]
    fn list_value_equals_its_last_element(
        elements in vec(any_element(), 1..5),
        connection in any_scheme(),
    ) {
        let list = elements.join(", ");
        let head = format!("{HOST_LINE}X-Forwarded-Proto: {list}\nX-Forwarded-Host: {list}");
        let Ok(found) = origin(XForwardedFor, GATE, connection, "/", &head) else {
            return Ok(());
        };
        let last = elements.iter().rfind(|element| !element.is_empty());
        let last = last.map(|last| last.to_ascii_lowercase());
        if found.scheme != connection {
            prop_assert_eq!(Some(found.scheme.to_string()), last.clone());
        }
        let host = found.host.unwrap().to_string().to_ascii_lowercase();
        prop_assert!(host == "own.example" || Some(host) == last);
    }

    #[test]
    fn elements_left_of_the_client_have_no_effect(
        attack in "[ -~]{0,60}",
        tokens in vec(select(vec!["for=10.0.0.9", ";", ",", "proto=https", "host=evil", "\"", "\\"]), 0..12),
        own_line in any::<bool>(),
    ) {
        let client = "for=203.0.113.7;proto=http;host=a.example, for=10.0.0.2;proto=https";
        let before = if own_line { "\nForwarded: " } else { ", " };
        for attack in [attack, tokens.concat()] {
            let head = format!("{HOST_LINE}Forwarded: {attack}{before}{client}");
            let found = origin(Forwarded, GATE, Scheme::Https, "/", &head);
            prop_assert_eq!(shown(found), "http://a.example");
        }
    }

    #[test]
    fn host_has_no_special_bytes(text in vec(any::<u8>(), 0..40)) {
        if let Some(host) = host(&text) {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
            prop_assert!(host.as_str().as_bytes().iter().all(plain));
            prop_assert_eq!(host.as_str().as_bytes(), text);
        }
    }
}
