//! The peers whose forwarded headers are trusted.
//!
//! `TRUSTED_PROXIES` is a list of networks (`10.0.0.0/8`), addresses (`192.0.2.1`) and the word
//! `unix`, which stands for every peer on a unix socket: such a peer has no IP address.
//!
//! # Security
//!
//! A peer in this list decides which client address is logged. By default the list is empty.
//! List the addresses of the proxies where they are known, rather than the whole private range.
//!
//! # Invariants
//!
//! * An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) counts as its IPv4 address, in the list and
//!   in a lookup: a dual-stack listener reports IPv4 peers in that form. So `::/0` covers IPv6 only.
//! * A network with host bits set (`10.1.2.3/8`) counts as the network that contains it.

use std::{fmt, net::IpAddr};

use ipnet::{IpNet, Ipv4Net};

use super::{FromSetting, ParseError};

/// The item that stands for peers on unix sockets.
const UNIX: &str = "unix";

/// Length of the prefix `::ffff:0:0/96` of IPv4-mapped addresses (RFC 4291, 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// Characters of an invalid item that an error message shows.
const SHOWN_CHARS: usize = 64;

/// Networks, addresses and sockets that are trusted to name the client.
///
/// ```
/// use plimsoll::config::{FromSetting, TrustedProxies};
///
/// let proxies = TrustedProxies::parse("10.0.0.0/8, ::1").expect("documented forms");
/// assert!(proxies.contains("::ffff:10.1.2.3".parse()?));
/// assert!(!proxies.unix());
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedProxies {
    /// Whether the address is trusted.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.networks.iter().any(|network| network.contains(&ip))
    }

    /// Whether peers on a unix socket are trusted.
    #[must_use]
    pub const fn unix(&self) -> bool {
        self.unix
    }

    /// Whether no peer is trusted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }
}

/// Formats the list as in `TRUSTED_PROXIES`.
impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(ToString::to_string);
        let unix = self.unix.then(|| UNIX.to_owned());
        f.write_str(&networks.chain(unix).collect::<Vec<_>>().join(","))
    }
}

impl FromSetting for TrustedProxies {
    const EXPECTED: &'static str =
        "networks and addresses, IPv4 or IPv6, and the word unix, separated by commas";
    const EXAMPLE: &'static str = "10.0.0.0/8,192.0.2.1";

    fn parse(text: &str) -> Result<Self, ParseError> {
        let mut proxies = Self::default();
        let mut wrong = Vec::new();
        let items = text.split(',').map(str::trim);
        for item in items.filter(|item| !item.is_empty()) {
            if item == UNIX {
                proxies.unix = true;
            } else if let Some(network) = network(item) {
                proxies.networks.push(network);
            } else {
                let shown: String = item.chars().take(SHOWN_CHARS).collect();
                wrong.push(format!("{shown:?}"));
            }
        }
        match wrong.as_slice() {
            [] => Ok(proxies),
            [one] => Err(ParseError::because(format!("{one} is neither"))),
            several => Err(ParseError::because(format!(
                "{} are none of these",
                several.join(", ")
            ))),
        }
    }

    fn show(&self, _text: &str) -> String {
        self.to_string()
    }
}

fn network(item: &str) -> Option<IpNet> {
    let network = match item.split_once('/') {
        Some((address, length)) => {
            // `IpNet` alone accepts leading zeros, which some parsers read as octal.
            address.parse::<IpAddr>().ok()?;
            let is_plain = length == "0" || !length.starts_with('0');
            is_plain.then(|| item.parse::<IpNet>())?.ok()?.trunc()
        }
        None => IpNet::from(item.parse::<IpAddr>().ok()?),
    };
    Some(unmapped(network).unwrap_or(network))
}

/// Returns the IPv4 form of a network within `::ffff:0:0/96`.
fn unmapped(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(v6) = network else {
        return None;
    };
    let address = v6.addr().to_ipv4_mapped()?;
    let prefix = v6.prefix_len().checked_sub(MAPPED_PREFIX)?;
    Ipv4Net::new(address, prefix).ok().map(IpNet::V4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn membership_follows_the_list() {
        #[track_caller]
        fn check(list: &str, ip: &str, expect: bool) {
            let proxies = TrustedProxies::parse(list).unwrap();
            assert_eq!(
                proxies.contains(ip.parse().unwrap()),
                expect,
                "{ip} in {list}"
            );
        }
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.1.2.3/8", "10.9.9.9", true);
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("2001:db8::/32", "2001:db8:ffff::1", true);
        check("2001:db8::/32", "2001:db9::1", false);
        check(" ::1 , 10.0.0.0/8 ,", "::1", true);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        // IPv4-mapped on either side, or on both.
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("::ffff:10.0.0.0/104", "10.1.2.3", true);
        check("::ffff:10.0.0.0/104", "11.1.2.3", false);
        check("::ffff:192.0.2.1", "192.0.2.1", true);
        check("::ffff:192.0.2.1", "::ffff:192.0.2.1", true);
        check("::ffff:0:0/96", "203.0.113.9", true);
        check("::/0", "2001:db8::1", true);
        check("::/0", "::ffff:10.1.2.3", false);
        check("unix", "127.0.0.1", false);
    }

    #[test]
    fn unix_sockets_make_a_list_nonempty() {
        let parse = |list| TrustedProxies::parse(list).unwrap();
        assert!(parse("unix").unix());
        assert!(!parse("unix").is_empty());
        assert!(!parse("10.0.0.0/8").unix());
        assert!(parse(" , ").is_empty());
        assert!(TrustedProxies::default().is_empty());
        assert_eq!(
            parse("10.1.2.3/8, unix,::1").to_string(),
            "10.0.0.0/8,::1/128,unix"
        );
    }

    #[test]
    fn every_invalid_item_is_named() {
        #[track_caller]
        fn check(list: &str, expect: &str) {
            let reason = TrustedProxies::parse(list).unwrap_err().into_reason(false);
            assert_eq!(reason.as_deref(), Some(expect));
        }
        check("10.0.0.0/33", r#""10.0.0.0/33" is neither"#);
        check(
            "10.0.0.0/8,nope, 1.2.3 ,::1,UNIX",
            r#""nope", "1.2.3", "UNIX" are none of these"#,
        );
        check("a\nb", r#""a\nb" is neither"#);
        // Octal for some parsers, in an address as well as in a network.
        check("010.0.0.1", r#""010.0.0.1" is neither"#);
        check("010.0.0.0/8", r#""010.0.0.0/8" is neither"#);
        check("10.0.0.0/08", r#""10.0.0.0/08" is neither"#);
        check(&"x".repeat(80), &format!("{:?} is neither", "x".repeat(64)));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in any::<String>(), list in "[0-9a-f:./, ]{0,40}") {
            let _ = TrustedProxies::parse(&text);
            let _ = TrustedProxies::parse(&list);
        }

        #[test]
        fn mapped_and_plain_addresses_are_the_same_client(
            network in any::<[u8; 4]>(), prefix in 0..=32_u8, ip in any::<[u8; 4]>(),
        ) {
            let [network, ip] = [network, ip].map(std::net::Ipv4Addr::from);
            let plain = TrustedProxies::parse(&format!("{network}/{prefix}")).unwrap();
            let mapped = TrustedProxies::parse(
                &format!("{}/{}", network.to_ipv6_mapped(), prefix + MAPPED_PREFIX),
            ).unwrap();
            prop_assert_eq!(&plain, &mapped);
            prop_assert_eq!(plain.contains(ip.into()), mapped.contains(ip.to_ipv6_mapped().into()));
        }

        #[test]
        fn canonical_text_is_read_back(list in "([0-9]{1,2}\\.0\\.0\\.1(/[0-9]{1,2})?,|::[0-9a-f]{1,4},|unix,){0,4}") {
            if let Ok(proxies) = TrustedProxies::parse(&list) {
                prop_assert_eq!(TrustedProxies::parse(&proxies.to_string()), Ok(proxies));
            }
        }
    }
}
