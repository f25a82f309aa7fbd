//! Tests of the syntax by cases.

use std::net::IpAddr;

use super::*;

/// The addresses in `line`, from right to left.
fn ips(line: &[u8]) -> Vec<Option<IpAddr>> {
    hops(line).map(|hop| hop.ip).collect()
}

/// `expect` lists the hops from right to left, with `-` for a hop without an address.
#[track_caller]
fn check(line: &str, expect: &str) {
    let found: Vec<String> = ips(&latin1(line))
        .into_iter()
        .map(|hop| hop.map_or("-".to_owned(), |ip| ip.to_string()))
        .collect();
    assert_eq!(found.join(" "), expect, "{line}");
}

#[test]
fn elements_are_returned_last_one_first() {
    check("", "");
    check("for=192.0.2.1", "192.0.2.1");
    check(
        "for=192.0.2.1, for=192.0.2.2,for=192.0.2.3",
        "192.0.2.3 192.0.2.2 192.0.2.1",
    );
    check(
        " ,for=192.0.2.1,,\t, for=192.0.2.2 ,",
        "192.0.2.2 192.0.2.1",
    );
}

#[test]
fn case_of_names_and_order_of_pairs_are_ignored() {
    check("FOR=192.0.2.1", "192.0.2.1");
    check("fOr=192.0.2.1;Proto=http;BY=203.0.113.43", "192.0.2.1");
    check("by=203.0.113.43;proto=http;for=192.0.2.1", "192.0.2.1");
    check(";;for=192.0.2.1;", "192.0.2.1");
    check("proto=http; for=192.0.2.1\t;by=_a", "192.0.2.1");
    check("ext=1;ext=2;for=192.0.2.1", "192.0.2.1");
}

#[test]
fn quoted_values_are_parsed_like_tokens() {
    check(r#"for="192.0.2.1""#, "192.0.2.1");
    check(r#"for="192.0.2.1:80""#, "192.0.2.1");
    check(r#"for="[2001:db8::1]""#, "2001:db8::1");
    check(r#"for="[2001:db8::1]:80""#, "2001:db8::1");
    check(r#"for="2001:db8::1""#, "2001:db8::1");
    check(r#"for="[::ffff:192.0.2.1]""#, "192.0.2.1");
    check(r#"for="\1\92.0.2\.1""#, "192.0.2.1");
    check(r#"for="\[2001:db8::1\]\:80""#, "2001:db8::1");
}

#[test]
fn obfuscated_port_is_a_port() {
    check(r#"for="192.0.2.1:_a.b-c_9""#, "192.0.2.1");
    check(r#"for="[2001:db8::1]:_gate""#, "2001:db8::1");
    for port in ["_", "a", "_a b", "_a\u{e9}", "_a:80", "65536"] {
        check(&format!("for=\"192.0.2.1:{port}\""), "-");
    }
}

#[test]
fn separators_in_quotes_are_ignored() {
    check(
        r#"for=192.0.2.1;host="a,b", for=192.0.2.2;host="a;for=1.1.1.1""#,
        "192.0.2.2 192.0.2.1",
    );
    check(
        r#"x="\"",for=192.0.2.1;x="\\";y="\\\"", for=192.0.2.2"#,
        "192.0.2.2 192.0.2.1 -",
    );
    check(r#"for=192.0.2.1;x=",for=1.1.1.1,\",\\""#, "192.0.2.1");
    check(r#"x="\\\\\\";for=192.0.2.1;y="""#, "192.0.2.1");
    check(
        r#"for="_a,b;\"c\"";proto=https, FOR="[2001:db8::1]:80";by=_gate, for=192.0.2.1"#,
        "192.0.2.1 2001:db8::1 -",
    );
}

#[test]
fn for_without_address_has_no_address() {
    let nodes =
        r#"unknown|_hidden|""|"_hidden:80"|" 192.0.2.9"|"[192.0.2.9]"|"fe80::1%a"|'192.0.2.9'"#;
    for node in nodes.split('|') {
        check(&format!("for=192.0.2.1, for={node}"), "- 192.0.2.1");
    }
}

#[test]
fn malformed_element_does_not_affect_others() {
    let elements = [
        r#"proto=http|fo=192.0.2.9|x="for=192.0.2.9"|;| ; "#,
        r#"192.0.2.9|for|for=|=192.0.2.9|=|for =192.0.2.9|for= 192.0.2.9|for==192.0.2.9"#,
        r#"for=192.0.2.9:80|for=[2001:db8::1]|for=2001:db8::1|for=192.0.2.9 by=_a|for=\192.0.2.9"#,
        r#"for="192.0.2.9"x|for="192.0.2.9"""|for="192.0.2.9" """#,
        r#"for=192.0.2.9;for=192.0.2.9|for=192.0.2.9;FOR=_a|for=192.0.2.9;proto|for=192.0.2.9;x="#,
        r#"for=192.0.2.9;x=a b|for=192.0.2.9;(=a|for=192.0.2.9;é=a|for=192.0.2.9;x=é"#,
        r#"for=192.0.2.9;x=\a|for=192.0.2.9;x="a"b|for=192.0.2.9;x="a"b"|for=192.0.2.9;x="a"y="b""#,
    ];
    for element in elements.iter().flat_map(|group| group.split('|')) {
        let line = format!("for=192.0.2.1, {element}, for=192.0.2.2");
        check(&line, "192.0.2.2 - 192.0.2.1");
    }
}

#[test]
fn lone_quote_affects_only_elements_on_its_left() {
    check(r#"for="192.0.2.1, for=192.0.2.2"#, "192.0.2.2 -");
    check(r#"for=192.0.2.1, for=_a", for=192.0.2.2"#, "192.0.2.2 -");
    check(r#"for=192.0.2.1, by=x"_a", for=192.0.2.2"#, "192.0.2.2 -");
    check(r#"for="192.0.2.1", by=x"_a", for=192.0.2.2"#, "192.0.2.2 -");
    check(r#"for="192.0.2.1", "x"=a, for=192.0.2.2"#, "192.0.2.2 -");
    check(r#"for="\", for="192.0.2.2""#, "192.0.2.2 -");
    check(r#""""#, "-");
    check("\"", "-");
    check(r#"\""#, "-");
    check(r#"for="192.0.2.1\""#, "-");
}

#[test]
fn non_utf8_bytes_are_allowed_in_quotes_only() {
    let ip = Some(IpAddr::from([192, 0, 2, 1]));
    assert_eq!(ips(b"for=192.0.2.1;host=\"\xff\xfe\""), [ip]);
    assert_eq!(ips(b"for=\"192.0.2.1\xff\", for=192.0.2.1"), [ip, None]);
    assert_eq!(ips(b"for=192.0.2.1;x=\xff"), [None]);
}

#[test]
fn only_escapes_allocate() {
    let allocates = |raw| matches!(ForwardedValue(raw).unescaped(), Cow::Owned(_));
    assert!(!allocates(b"192.0.2.1"));
    assert!(!allocates(b"[2001:db8::1]:80"));
    assert!(allocates(b"\\192.0.2.1"));
}

/// `expect` lists address, `proto` and `host` of each hop, from right to left.
#[track_caller]
fn check_claims(line: &str, expect: &str) {
    let shown = |value: Option<ForwardedValue<'_>>| {
        let text = value.map(|value| String::from_utf8(value.unescaped().into_owned()).unwrap());
        text.unwrap_or("-".to_owned())
    };
    let found: Vec<String> = hops(&latin1(line))
        .map(|ForwardedHop { ip, proto, host }| {
            let ip = ip.map_or("-".to_owned(), |ip| ip.to_string());
            format!("{ip} {} {}", shown(proto), shown(host))
        })
        .collect();
    assert_eq!(found.join(" | "), expect, "{line}");
}

#[test]
fn proto_and_host_are_read_with_the_address() {
    check_claims(
        "for=192.0.2.1;proto=https;host=a.example, for=192.0.2.2",
        "192.0.2.2 - - | 192.0.2.1 https a.example",
    );
    check_claims(
        r#"HOST="a.example:8080" ; Proto=http;by=_a;for="[::1]:80""#,
        "::1 http a.example:8080",
    );
    check_claims(
        r#"for=192.0.2.1;host="\a\.example";proto="h\ttp""#,
        "192.0.2.1 http a.example",
    );
    check_claims(r#"for=192.0.2.1;host="";proto="a, b""#, "192.0.2.1 a, b ");
}

#[test]
fn hop_without_address_keeps_proto_and_host() {
    check_claims("proto=https;host=a", "- https a");
    check_claims("for=unknown;proto=https", "- https -");
    check_claims("for=_hidden;host=a", "- - a");
}

#[test]
fn duplicate_or_malformed_parameter_voids_element() {
    for element in [
        "proto=https;proto=https",
        "proto=https;PROTO=http",
        "host=a;host=b",
        "for=192.0.2.1;for=192.0.2.1;proto=https",
        "for=192.0.2.1;proto=https;host=a:80",
        "for=192.0.2.1;proto=https;host=[::1]",
        "proto=https;host=",
        "proto=https;x",
        "proto=https;(=a",
    ] {
        let line = format!("for=192.0.2.9, {element}, for=192.0.2.2;proto=http");
        check_claims(&line, "192.0.2.2 http - | - - - | 192.0.2.9 - -");
    }
}

/// The characters as bytes, so `é` is a byte that is not UTF-8.
pub(super) fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|char| u8::try_from(char).unwrap())
        .collect()
}
