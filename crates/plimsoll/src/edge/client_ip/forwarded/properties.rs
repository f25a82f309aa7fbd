//! Properties for arbitrary lines, by comparison with a parser that reads from the left.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::tests::latin1;
use super::*;

/// Name in lower case and unescaped value.
type Pair = (Vec<u8>, Vec<u8>);

/// Parses a line by the grammar of RFC 7239, section 4, from the left, into the pairs of each element;
/// `None` if the line is malformed.
fn from_left(line: &[u8]) -> Option<Vec<Vec<Pair>>> {
    let mut rest = line;
    let mut elements = Vec::new();
    loop {
        let (mut pairs, mut is_empty) = (Vec::new(), true);
        loop {
            rest = rest.trim_ascii_start();
            if !matches!(rest.first(), None | Some(b',' | b';')) {
                let name = take_token(&mut rest)?;
                rest = rest.strip_prefix(b"=")?;
                let value = if rest.first() == Some(&b'"') {
                    take_quoted(&mut rest)?
                } else {
                    take_token(&mut rest)?
                };
                pairs.push((name.to_ascii_lowercase(), value));
                is_empty = false;
                rest = rest.trim_ascii_start();
            }
            match rest.split_off_first() {
                Some(b';') => is_empty = false,
                end => {
                    if !is_empty {
                        elements.push(pairs);
                    }
                    match end {
                        None => return Some(elements),
                        Some(b',') => break,
                        Some(_) => return None,
                    }
                }
            }
        }
    }
}

fn take_token(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let separators = b"\"(),/:;<=>?@[\\]{} \t";
    let end = rest
        .iter()
        .position(|byte| !byte.is_ascii() || separators.contains(byte))
        .unwrap_or(rest.len());
    let token = rest.split_off(..end)?.to_vec();
    (!token.is_empty()).then_some(token)
}

fn take_quoted(rest: &mut &[u8]) -> Option<Vec<u8>> {
    rest.split_off_first();
    let mut text = Vec::new();
    loop {
        match rest.split_off_first()? {
            b'"' => return Some(text),
            b'\\' => text.push(*rest.split_off_first()?),
            &byte => text.push(byte),
        }
    }
}

/// Random sequences of the parts of the syntax; most are malformed.
fn token_sequence() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        r#"for=|For|=|proto=|host=|by=_a|x=|192.0.2.1|"192.0.2.1"|"[2001:db8::1]:80"|unknown"#,
        r#""|"|\|\"|,|,|;|;| |[|:|é|("#,
    ];
    let pieces: Vec<&str> = pieces.iter().flat_map(|pieces| pieces.split('|')).collect();
    vec(select(pieces), 0..24).prop_map(|pieces| latin1(&pieces.concat()))
}

/// Well-formed lines. Their quoted strings contain many separators.
fn well_formed() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&str> = r#"a|,|;|=| |\"|\\|\,|for=1.1.1.1|é|192.0.2.1"#.split('|').collect();
    let nodes = r#"192.0.2.1|"192.0.2.1:80"|"[2001:db8::1]"|"\192.0.2.1"|unknown|_a"#;
    let node = select(nodes.split('|').collect::<Vec<_>>());
    let quoted = vec(select(pieces), 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()));
    let value = prop_oneof![node.prop_map(str::to_owned), quoted];
    let name = select(vec!["for", "FOR", "by", "host", "proto", "x-1"]);
    let pair = (name, value).prop_map(|(name, value)| format!("{name}={value}"));
    let element = joined(vec(pair, 0..4), vec![";", " ; ", ";;"]);
    joined(vec(element, 0..6), vec![",", ", ", " ,, "]).prop_map(|line| latin1(&line))
}

fn joined(
    parts: impl Strategy<Value = Vec<String>>,
    separators: Vec<&'static str>,
) -> impl Strategy<Value = String> {
    (parts, select(separators)).prop_map(|(parts, separator)| parts.join(separator))
}

/// A hop with its values unescaped.
type HopValues = (Option<IpAddr>, Option<Vec<u8>>, Option<Vec<u8>>);

fn parsed(line: &[u8]) -> Vec<HopValues> {
    let unescaped = |value: ForwardedValue<'_>| value.unescaped().into_owned();
    hops(line)
        .map(|ForwardedHop { ip, proto, host }| (ip, proto.map(unescaped), host.map(unescaped)))
        .collect()
}

/// The values in the pairs of one element.
fn reference(pairs: &[Pair]) -> HopValues {
    let values = |name: &str| -> Vec<Vec<u8>> {
        let named = pairs.iter().filter(|(it, _)| it == name.as_bytes());
        named.map(|(_, value)| value.clone()).collect()
    };
    let [nodes, protos, hosts] = ["for", "proto", "host"].map(values);
    if [&nodes, &protos, &hosts]
        .iter()
        .any(|values| values.len() > 1)
    {
        return (None, None, None);
    }
    let ip = nodes.first();
    let ip = ip.and_then(|node| node::parse(node, is_node_port));
    (ip, protos.first().cloned(), hosts.first().cloned())
}

fn check_against_left(line: &[u8]) -> Result<(), TestCaseError> {
    let found = parsed(line);
    if let Some(elements) = from_left(line) {
        let expect: Vec<HopValues> = elements
            .iter()
            .rev()
            .map(|pairs| reference(pairs))
            .collect();
        prop_assert_eq!(found, expect, "{:?}", String::from_utf8_lossy(line));
    }
    Ok(())
}

proptest! {
    #[test]
    fn both_directions_agree_on_well_formed_lines(line in well_formed()) {
        prop_assert!(from_left(&line).is_some());
        check_against_left(&line)?;
    }

    #[test]
    fn token_sequences_do_not_panic_and_agree(line in token_sequence()) {
        check_against_left(&line)?;
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(line in vec(any::<u8>(), 0..200)) {
        check_against_left(&line)?;
    }

    #[test]
    fn appended_elements_are_parsed_independently(left in token_sequence(), right in well_formed()) {
        let alone = parsed(&right);
        let mut found = parsed(&[left, right].join(&b','));
        found.truncate(alone.len());
        prop_assert_eq!(found, alone);
    }
}
